// Generates images with ONNX Runtime in Node: npm install onnxruntime-node && node onnxruntime_node.cjs EXPORT_DIR
const fs = require("node:fs");
const ort = require("onnxruntime-node");

async function main(directory) {
  const contract = JSON.parse(fs.readFileSync(`${directory}/generator.json`, "utf8"));
  const session = await ort.InferenceSession.create(`${directory}/generator.onnx`);
  const first = contract.inputs[0];
  const count = first.range[1] + 1;

  const feeds = {};
  for (const [name, tensor] of Object.entries(contract.onnx.generator.inputs)) {
    const shape = [count, ...tensor.shape.slice(1)];
    const size = shape.reduce((product, length) => product * length, 1);
    feeds[name] = new ort.Tensor(tensor.type, tensor.type === "int64" ? new BigInt64Array(size) : new Float32Array(size), shape);
  }
  feeds[first.name] = new ort.Tensor("int64", Array.from({ length: count }, (_, category) => BigInt(category)), [count]);
  const { images } = await session.run(feeds);

  const pixels = images.data.length / count;
  const means = Array.from({ length: count }, (_, index) => images.data.subarray(index * pixels, (index + 1) * pixels).reduce((sum, value) => sum + value, 0) / pixels);
  console.log(means.map((mean) => mean.toFixed(7)).join(" "));
}

main(process.argv[2]);
