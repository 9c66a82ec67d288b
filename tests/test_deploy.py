"""What keras_infogan.serving.deploy writes, read by the parsers of those it is for, and the rules
of a running server.
"""

import ast
import json
import pathlib
import re
import shlex
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import kubernetes_validate
import pytest
import yaml
from conftest import PATIENCE, SHAPE, SMALL, command, sentence
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

from keras_infogan.config import UserError
from keras_infogan.contract import Contract
from keras_infogan.serving import deploy

# Those given to tensorflow_model_server by its main.cc of release 2.19.1:
# https://github.com/tensorflow/serving/blob/2.19.1/tensorflow_serving/model_servers/main.cc
SERVER_FLAGS = re.findall(
    r"\w+",
    """
port grpc_socket_path rest_api_port rest_api_num_threads rest_api_timeout_in_ms
rest_api_enable_cors_support enable_batching allow_version_labels_for_unavailable_models
batching_parameters_file enable_per_model_batching_parameters model_config_file
model_config_file_poll_wait_seconds model_name model_base_path num_load_threads num_unload_threads
max_num_load_retries load_retry_interval_micros file_system_poll_wait_seconds
flush_filesystem_caches tensorflow_session_parallelism tensorflow_session_config_file
tensorflow_intra_op_parallelism tensorflow_inter_op_parallelism use_alts_credentials ssl_config_file
platform_config_file per_process_gpu_memory_fraction saved_model_tags grpc_channel_arguments
grpc_max_threads enable_model_warmup num_request_iterations_for_warmup version
monitoring_config_file remove_unused_fields_from_bundle_metagraph prefer_tflite_model
num_tflite_pools num_tflite_interpreters_per_pool enable_signature_method_name_check
xla_cpu_compilation_enabled xla_gpu_compilation_enabled enable_profiler
thread_pool_factory_config_file mixed_precision skip_initialize_tpu enable_grpc_healthcheck_service
enable_serialization_as_tensor_content
""",
)
KUBERNETES_VERSIONS = ("1.27", "1.33")


def export_of(directory, versions, dataset="digits"):
    """Makes a directory look like an export with these versions of a SavedModel and
    returns its contract.
    """
    agreed = Contract(
        model="infogan",
        title=SMALL.title,
        paper=SMALL.paper,
        reads=SMALL.reads,
        dataset=dataset,
        license="CC BY 4.0",
        fingerprint=None,
        image_shape=SHAPE,
        settings={},
        latent_spec=SMALL.latent_spec,
        trained_as=("kind", "slant", "tilt", "smile"),
        step=4,
        capabilities=("generate", "encode"),
    )
    directory.mkdir(exist_ok=True)
    (directory / "generator.json").write_text(json.dumps(agreed.to_json()))
    (directory / "generator.onnx").write_bytes(b"not for the image")
    for version in versions:
        path = directory / agreed.name / str(version)
        (path / "variables").mkdir(parents=True, exist_ok=True)
        (path / "saved_model.pb").write_bytes(b"a graph")
        (path / "variables" / "variables.index").write_bytes(b"weights")
    return agreed


@pytest.fixture(params=[("digits", (1,)), ("voc/2007", (1, 2)), ("3d_Faces", (2, 3, 10))], ids=str)
def deployed(request, tmp_path):
    """An export with one, two and three versions, whose name Kubernetes takes or not,
    and its deployment.
    """
    dataset, versions = request.param
    agreed = export_of(tmp_path / "export", versions, dataset)
    deploy.write(tmp_path / "export", tmp_path / "export" / "deployment")
    return tmp_path / "export", agreed.name


def model_config(directory):
    return text_format.Parse(
        (directory / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    ).model_config_list.config


def parse(text, package, messages) -> Any:
    """Parses text as the first of `messages`, a dict from name to fields {name:
    (number, type, label)}, and returns it.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name="as_in_tensorflow_serving.proto", package=package, syntax="proto3"
    )
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for message, fields in messages.items():
        added = file.message_type.add(name=message)
        for name, (number, kind, label) in fields.items():
            field = added.field.add(name=name, number=number, label=label)
            if isinstance(kind, str):
                field.type, field.type_name = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE, kind
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return text_format.Parse(
        text,
        message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{package}.{next(iter(messages))}")
        )(),
    )


def documents(path):
    return {document["kind"]: document for document in yaml.safe_load_all(path.read_text())}


def flags_of(arguments):
    return dict(argument.removeprefix("--").split("=", 1) for argument in arguments)


def dockerfile(directory):
    """Returns the instructions of a Dockerfile as (name, text), lines joined."""
    text = re.sub(r"\\\n\s*", "", (directory / "Dockerfile").read_text())
    parts = [line.partition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in parts]


def test_models_config_names_what_is_on_disk(deployed):
    export_dir, name = deployed
    (config,) = model_config(export_dir / "deployment")
    on_disk = sorted(int(path.name) for path in (export_dir / name).iterdir())
    assert (config.name, config.base_path, config.model_platform) == (
        name,
        f"/models/{name}",
        "tensorflow",
    )
    assert list(config.model_version_policy.specific.versions) == on_disk[-2:]
    labels = (
        {"stable": on_disk[-2], "canary": on_disk[-1]}
        if len(on_disk) > 1
        else {"stable": on_disk[0]}
    )
    assert dict(config.version_labels) == labels
    assert deploy.read_served(export_dir / "deployment" / "models.config", name) == deploy.Served(
        tuple(on_disk[-2:]), labels
    )


def test_batching_config_is_filled_up_to_what_was_warmed_up(deployed):
    optional, repeated = (
        descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED,
    )
    number, truth = ".google.protobuf.Int64Value", ".google.protobuf.BoolValue"
    # https://github.com/tensorflow/serving/blob/2.19.1/tensorflow_serving/servables/tensorflow/session_bundle_config.proto
    fields = {
        "max_batch_size": (1, number, optional),
        "batch_timeout_micros": (2, number, optional),
        "max_enqueued_batches": (3, number, optional),
        "num_batch_threads": (4, number, optional),
        "thread_pool_name": (5, ".google.protobuf.StringValue", optional),
        "allowed_batch_sizes": (6, descriptor_pb2.FieldDescriptorProto.TYPE_INT64, repeated),
        "pad_variable_length_inputs": (7, descriptor_pb2.FieldDescriptorProto.TYPE_BOOL, optional),
        "enable_large_batch_splitting": (8, truth, optional),
        "max_execution_batch_size": (9, number, optional),
    }
    export_dir, _ = deployed
    batching = parse(
        (export_dir / "deployment" / "batching.config").read_text(),
        "tensorflow.serving",
        {"BatchingParameters": fields},
    )
    saved_model = ast.parse(
        (pathlib.Path(deploy.__file__).parents[1] / "export" / "to_saved_model.py").read_text()
    )
    (warmed_up,) = [
        ast.literal_eval(node.value)
        for node in saved_model.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_WARM_UP_BATCHES"
    ]
    assert tuple(batching.allowed_batch_sizes) == warmed_up == tuple(sorted(warmed_up))
    assert batching.max_batch_size.value == warmed_up[-1]
    assert batching.HasField("batch_timeout_micros")
    assert batching.batch_timeout_micros.value >= 0
    assert batching.max_enqueued_batches.value >= batching.num_batch_threads.value >= 1


def test_monitoring_config_offers_what_prometheus_is_sent_to(deployed):
    optional, kinds = (
        descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        descriptor_pb2.FieldDescriptorProto,
    )
    # https://github.com/tensorflow/serving/blob/2.19.1/tensorflow_serving/config/monitoring_config.proto
    messages = {
        "MonitoringConfig": {
            "prometheus_config": (1, ".tensorflow.serving.PrometheusConfig", optional)
        },
        "PrometheusConfig": {
            "enable": (1, kinds.TYPE_BOOL, optional),
            "path": (2, kinds.TYPE_STRING, optional),
        },
    }
    directory = deployed[0] / "deployment"
    prometheus = parse(
        (directory / "monitoring.config").read_text(), "tensorflow.serving", messages
    ).prometheus_config
    assert prometheus.enable
    annotations = documents(directory / "kubernetes.yaml")["Deployment"]["spec"]["template"][
        "metadata"
    ]["annotations"]
    assert annotations["prometheus.io/path"] == prometheus.path == "/monitoring/prometheus/metrics"
    assert (
        annotations["prometheus.io/port"]
        == flags_of(json.loads(dict(dockerfile(directory))["ENTRYPOINT"])[1:])["rest_api_port"]
    )


def test_the_image_gets_what_the_server_is_told_to_read(deployed):
    export_dir, name = deployed
    directory = export_dir / "deployment"
    instructions = dockerfile(directory)
    assert instructions[:2] == [("ARG", "TAG=2.19.1"), ("FROM", "tensorflow/serving:${TAG}")]
    placed = set()
    for instruction, text in instructions:
        if instruction == "COPY":
            options, places = text[: text.index("[")].split(), json.loads(text[text.index("[") :])
            context = directory if "--from=configuration" in options else export_dir
            assert all((context / source).exists() for source in places[:-1])
            placed |= {
                places[-1] + source if places[-1].endswith("/") else places[-1]
                for source in places[:-1]
            }
    settings = dict(instructions)
    program, *arguments = json.loads(settings["ENTRYPOINT"])
    given = flags_of(arguments)
    assert program == "/usr/bin/tensorflow_model_server"
    assert set(given) <= set(SERVER_FLAGS)
    assert {value for value in given.values() if value.startswith("/")} | {
        f"/models/{name}"
    } == placed
    assert model_config(directory)[0].base_path in placed
    assert (
        {given["port"], given["rest_api_port"]}
        == set(settings["EXPOSE"].split())
        == {"8500", "8501"}
    )
    # Without the first, labels at start-up are refused; without the second, a changed
    # file is not seen.
    assert given["allow_version_labels_for_unavailable_models"] == "true"
    assert int(given["model_config_file_poll_wait_seconds"]) > 0
    assert int(settings["USER"].split(":")[0]) > 0
    ignored, *taken = [
        line
        for line in (directory / "Dockerfile.dockerignore").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert ignored == "*"
    assert taken == [
        f"!{name}/{version}"
        for version in model_config(directory)[0].model_version_policy.specific.versions
    ]
    assert all((export_dir / line[1:] / "saved_model.pb").is_file() for line in taken)


@pytest.mark.parametrize("file", ["kubernetes.yaml", "kubernetes-gpu.yaml"])
def test_kubernetes_manifests_hold_together(deployed, file):
    export_dir, name = deployed
    found = documents(export_dir / "deployment" / file)
    assert set(found) == {
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
    }
    for document in found.values():
        assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", document["metadata"]["name"])
        for version in KUBERNETES_VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)
    spec = found["Deployment"]["spec"]
    pod, labels = spec["template"]["spec"], spec["template"]["metadata"]["labels"]
    (spread,) = pod["topologySpreadConstraints"]
    for selector in (
        spec["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"],
        found["NetworkPolicy"]["spec"]["podSelector"],
        spread["labelSelector"],
    ):
        assert selector["matchLabels"].items() <= labels.items()
    assert found["Service"]["spec"]["selector"].items() <= labels.items()
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    scaled = found["HorizontalPodAutoscaler"]["spec"]
    assert (scaled["scaleTargetRef"]["kind"], scaled["scaleTargetRef"]["name"]) == (
        "Deployment",
        found["Deployment"]["metadata"]["name"],
    )
    assert "replicas" not in spec  # or applying the file undoes what the autoscaler did
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    assert {port["targetPort"]: port["port"] for port in found["Service"]["spec"]["ports"]} == ports
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["port"] == "rest"
        assert re.fullmatch(
            rf"/v1/models/{re.escape(name)}(/labels/stable/metadata)?", asked["path"]
        )
    assert set(flags_of(container["args"])) <= set(SERVER_FLAGS)
    gpu = "gpu" in file
    assert (container["resources"]["limits"].get("nvidia.com/gpu") == "1") == gpu
    assert container["image"].endswith("-gpu") == gpu
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["volumes"] == [{"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}}]
    policy = found["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []
    (ingress,) = policy["ingress"]
    assert {port["port"] for port in ingress["ports"]} == set(ports)
    label = f"{found['Deployment']['metadata']['name']}/client"
    assert ingress["from"] == [
        {"podSelector": {}},
        {"namespaceSelector": {"matchLabels": {label: "true"}}},
    ]
    assert (
        f"kubectl label namespace monitoring {label}=true"
        in (export_dir / "deployment" / "README.md").read_text()
    )
    assert pod["securityContext"]["runAsUser"] == int(
        dict(dockerfile(export_dir / "deployment"))["USER"].split(":")[0]
    )
    assert pod["terminationGracePeriodSeconds"] > int(
        container["lifecycle"]["preStop"]["exec"]["command"][-1]
    )


def test_one_image_everywhere(deployed):
    directory = deployed[0] / "deployment"
    services = yaml.safe_load((directory / "compose.yaml").read_text())["services"]
    text = (directory / "README.md").read_text()
    for kind, file in (("cpu", "kubernetes.yaml"), ("gpu", "kubernetes-gpu.yaml")):
        image = services[kind]["image"]
        assert (
            image
            == documents(directory / file)["Deployment"]["spec"]["template"]["spec"]["containers"][
                0
            ]["image"]
        )
        assert f"-t {image} " in text
        assert f"docker push {image}" in text


def test_compose_mounts_the_export_for_reading(deployed):
    export_dir, name = deployed
    directory = export_dir / "deployment"
    services = yaml.safe_load((directory / "compose.yaml").read_text())["services"]
    assert set(services) == {"cpu", "gpu"}
    assert "profiles" not in services["cpu"]
    assert services["gpu"]["profiles"] == ["gpu"]
    assert services["gpu"]["build"]["args"] == {"TAG": "2.19.1-gpu"}
    assert services["gpu"]["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == [
        "gpu"
    ]
    limits = documents(directory / "kubernetes.yaml")["Deployment"]["spec"]["template"]["spec"][
        "containers"
    ][0]["resources"]["limits"]
    for service in services.values():
        # What a pod may use, in Compose's units.
        assert f"{service['cpus']}" == limits["cpu"]
        assert service["mem_limit"] == limits["memory"].replace("Mi", "m")
        assert service["pids_limit"] > 0
        assert service["tmpfs"] == ["/scratch:size=64m"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        mounts = {
            mount["target"]: (directory / mount["source"]).resolve() for mount in service["volumes"]
        }
        assert mounts == {
            f"/models/{name}": export_dir / name,
            "/etc/tensorflow_serving": directory,
        }
        assert all(mount["read_only"] for mount in service["volumes"])
        build = service["build"]
        context = (directory / build["context"]).resolve()
        assert context == export_dir
        assert (context / build["dockerfile"]).resolve() == directory / "Dockerfile"
        assert (directory / build["additional_contexts"]["configuration"]).resolve() == directory


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (404, False), (None, False)])
def test_the_health_check_tells_a_server_that_answers(tmp_path, status, healthy):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(
                status if self.path == "/v1/models/digits-infogan/labels/stable/metadata" else 500
            )
            self.end_headers()

        def log_message(self, *arguments):
            pass

    export_of(tmp_path, [1])
    deploy.write(tmp_path, tmp_path / "deployment")
    program, *arguments = yaml.safe_load((tmp_path / "deployment" / "compose.yaml").read_text())[
        "services"
    ]["cpu"]["healthcheck"]["test"]
    assert program == "CMD"
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        port = server.server_address[1]
        if status is None:
            server.shutdown()
            server.server_close()
        arguments = [text.replace("/8501", f"/{port}").replace("$$", "$") for text in arguments]
        assert (
            subprocess.run(arguments, capture_output=True, timeout=PATIENCE).returncode == 0
        ) == healthy
        server.shutdown()


class Server:
    """Takes up models.config as TensorFlow Serving's ServerCore::ReloadConfig does:
    https://github.com/tensorflow/serving/blob/2.19.1/tensorflow_serving/model_servers/server_core.cc
    """

    def __init__(self, export_dir):
        self.export_dir, self.loaded, self.labels = export_dir, set(), {}

    def reload(self):
        (config,) = model_config(self.export_dir / "deployment")
        for label, version in config.version_labels.items():
            if self.labels.get(label, version) != version and version not in self.loaded:
                return False
        self.labels = dict(config.version_labels)
        self.loaded = {
            version
            for version in config.model_version_policy.specific.versions
            if (self.export_dir / config.name / str(version)).is_dir()
        }
        return True


def test_a_running_server_takes_up_every_step(tmp_path):
    server = Server(tmp_path)

    def step(exported=None, stable=None, says=None):
        if exported:
            export_of(tmp_path, [exported])
        assert deploy.write(tmp_path, tmp_path / "deployment", stable=stable)[1] == (says or {})
        assert server.reload()
        assert server.labels["stable"] in server.loaded
        return server.labels, server.loaded

    assert step(exported=1) == ({"stable": 1}, {1})
    assert step(exported=2) == ({"stable": 1, "canary": 2}, {1, 2})
    assert step() == ({"stable": 1, "canary": 2}, {1, 2})
    assert step(stable=2) == ({"stable": 2}, {1, 2})  # promoted; the one before stays
    assert step() == ({"stable": 2}, {1, 2})
    assert step(stable=1) == ({"stable": 1, "canary": 2}, {1, 2})  # rolled back
    # Version 2 was no good and the next one comes: its label is in use and cannot move
    # before 3 is loaded.
    assert step(exported=3, says={"canary": 3}) == ({"stable": 1, "canary": 2}, {1, 2, 3})
    assert step() == ({"stable": 1, "canary": 3}, {1, 3})
    # The one to go back to is the one that was stable, not 2.
    assert step(stable=3) == ({"stable": 3}, {1, 3})
    assert step() == ({"stable": 3}, {1, 3})
    assert step(exported=4) == ({"stable": 3, "canary": 4}, {3, 4})
    # Back to one that is no longer loaded.
    assert step(stable=1, says={"stable": 1}) == ({"stable": 3, "canary": 4}, {1, 3, 4})
    assert step(stable=1) == ({"stable": 1, "canary": 4}, {1, 4})


def test_the_server_of_these_tests_refuses_what_the_real_one_refuses(tmp_path):
    server = Server(tmp_path)
    export_of(tmp_path, [1, 2])
    deploy.write(tmp_path, tmp_path / "deployment")
    assert server.reload()
    export_of(tmp_path, [3])
    path = tmp_path / "deployment" / "models.config"
    path.write_text(
        path.read_text().replace("versions: 1", "versions: 3").replace("value: 2", "value: 3")
    )
    assert not server.reload()


def test_what_is_written_by_hand_is_read(tmp_path):
    export_of(tmp_path, [1, 2])
    deploy.write(tmp_path, tmp_path / "deployment")
    path = tmp_path / "deployment" / "models.config"
    path.write_text("""model_config_list: { config: {name:'digits-infogan',
        base_path: '/models/digits-infogan', model_platform: 'tensorflow', # name: "none"
        model_version_policy: {specific: {versions: [1, 2]}},
        version_labels: [{key: 'stable', value: 2}]}}""")
    assert model_config(path.parent)[0].version_labels["stable"] == 2
    assert deploy.read_served(path, "digits-infogan") == deploy.Served((1, 2), {"stable": 2})


def test_it_may_be_run_again_and_touches_nothing_else(tmp_path):
    export_of(tmp_path / "export", [1])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    output_dir = tmp_path / "else where" / "$deployment"
    paths, _ = deploy.write(tmp_path / "export", output_dir, "registry.example.com:5000/me/digits")
    written = {path: path.read_bytes() for path in paths}
    assert set(output_dir.iterdir()) == set(paths)
    assert (
        deploy.write(tmp_path / "export", output_dir, "registry.example.com:5000/me/digits")[0]
        == paths
    )
    assert {path: path.read_bytes() for path in paths} == written
    assert {path: path.read_bytes() for path in before} == before
    text = b"".join(written.values()).decode()
    assert "registry.example.com:5000/me/digits:1-stable-1" in text
    assert str(tmp_path) not in text
    cpu = yaml.safe_load((output_dir / "compose.yaml").read_text())["services"]["cpu"]
    assert (output_dir / cpu["build"]["context"]).resolve() == tmp_path / "export"
    assert cpu["build"]["dockerfile"] == "../else where/$$deployment/Dockerfile"


def test_the_readme_asks_what_the_model_takes(deployed):
    export_dir, name = deployed
    text = (export_dir / "deployment" / "README.md").read_text()
    (question,) = re.findall(r"curl -s -d ('.*?') ", text)
    asked = json.loads(shlex.split(question)[0])
    agreed = json.loads((export_dir / "generator.json").read_text())
    assert set(asked["instances"][0]) == set(
        agreed["signatures"][asked["signature_name"]]["inputs"]
    )
    assert f"/v1/models/{name}/labels/stable:predict" in text
    assert "Nothing here was run" in text
    assert "all others that were put into the same\nbatch" in text


@pytest.mark.parametrize(
    "name",
    [
        "faces",
        "faces:3",
        "me/faces",
        "registry.example.com/me/faces:v1.2-x",
        "localhost:5000/a__b-c.d",
    ],
)
def test_names_of_images(name):
    tagged = deploy.image_with_tag(name, deploy.Served((1, 2), {"stable": 1}))
    assert tagged == (name if ":" in name.rpartition("/")[2] else f"{name}:1-2-stable-1")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("voc_2007-infogan", "voc-2007-infogan"),
        ("3d__Faces-", "model-3d-faces"),
        ("x" * 62 + "_y", "x" * 62),
        ("_", "model"),
    ],
)
def test_names_for_kubernetes(name, expected):
    assert deploy.dns_label(name) == expected


@pytest.mark.parametrize(
    "name",
    ["", "Faces", "faces:", "faces@sha256:0", "a b", "-a", "a//b", "faces:" + "3" * 125, "a" * 256],
)
def test_bad_names_of_images(tmp_path, name):
    export_of(tmp_path, [1])
    with pytest.raises(
        UserError, match=r"^--image_name: expected .*, received .*; give another one\.$"
    ):
        deploy.write(tmp_path, tmp_path / "deployment", name)
    assert not (tmp_path / "deployment").exists()


def test_other_things_are_left_alone(tmp_path):
    export_of(tmp_path / "export", [1])
    for held in ("notes.txt", "README.md", "Dockerfile"):
        output_dir = tmp_path / held.lower()
        output_dir.mkdir()
        (output_dir / held).write_text("mine")
        with pytest.raises(UserError, match=f"holds other things .{held}."):
            deploy.write(tmp_path / "export", output_dir)
        assert [path.read_text() for path in output_dir.iterdir()] == ["mine"]
    export_of(tmp_path / "other", [1], "mnist")
    deploy.write(tmp_path / "other", tmp_path / "deployment")
    with pytest.raises(
        UserError,
        match=r"models.config is not that of digits-infogan alone \(it names mnist-infogan\)",
    ):
        deploy.write(tmp_path / "export", tmp_path / "deployment")
    (tmp_path / "deployment" / "compose.override.yaml").write_text("mine")
    with pytest.raises(UserError, match="holds other things"):
        deploy.write(tmp_path / "other", tmp_path / "deployment")
    with pytest.raises(UserError, match="holds other things"):
        deploy.write(tmp_path / "export", tmp_path / "export")


def test_exports_that_cannot_be_served(tmp_path):
    with pytest.raises(UserError, match="is not an export"):
        deploy.write(tmp_path, tmp_path / "deployment")
    export_of(tmp_path, [])
    with pytest.raises(
        UserError,
        match=(
            r"holds no SavedModel of digits-infogan; export it again with saved_model among "
            r"its --formats\.$"
        ),
    ):
        deploy.write(tmp_path, tmp_path / "deployment")
    export_of(tmp_path, [1, 4])
    with pytest.raises(
        UserError,
        match=r"^--stable: expected a version of digits-infogan in .* \(1, 4\), received 2\.$",
    ):
        deploy.write(tmp_path, tmp_path / "deployment", stable=2)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to"):
        deploy.write(tmp_path, tmp_path / "file")
    export_of(tmp_path / "odd", [1], "mnist:3.0.1")
    with pytest.raises(UserError, match="cannot stand in a server's addresses"):
        deploy.write(tmp_path / "odd", tmp_path / "deployment")
    assert not (tmp_path / "deployment").exists()


def test_more_weights_ask_for_more_memory(tmp_path):
    agreed = export_of(tmp_path, [1])
    with open(tmp_path / agreed.name / "1" / "variables" / "variables.index", "wb") as file:
        file.truncate(200 * 2**20)
    deploy.write(tmp_path, tmp_path / "deployment")
    (container,) = documents(tmp_path / "deployment" / "kubernetes.yaml")["Deployment"]["spec"][
        "template"
    ]["spec"]["containers"]
    assert (
        container["resources"]["limits"]["memory"]
        == container["resources"]["requests"]["memory"]
        == f"{1024 + 768}Mi"
    )


def test_the_images_to_build_on_are_pinned_by_their_digests(tmp_path):
    export_of(tmp_path / "export", [1])
    digests = [f"sha256:{letter * 64}" for letter in "ab"]
    directory = tmp_path / "export" / "deployment"
    deploy.write(tmp_path / "export", directory)
    for file in ("README.md", "Dockerfile"):
        assert "A tag can come to mean another image" in (directory / file).read_text()
    deploy.write(tmp_path / "export", directory, digests=digests)
    text = (directory / "README.md").read_text()
    for file in ("README.md", "Dockerfile"):
        assert "A tag can come to mean another image" not in (directory / file).read_text()
    assert dockerfile(directory)[0] == ("ARG", f"TAG=2.19.1@{digests[0]}")
    services = yaml.safe_load((directory / "compose.yaml").read_text())["services"]
    assert services["gpu"]["build"]["args"] == {"TAG": f"2.19.1-gpu@{digests[1]}"}
    assert f"--build-arg TAG=2.19.1-gpu@{digests[1]} " in text
    # The command that the README repeats keeps them.
    assert f"--base_digest={digests[0]} --gpu_base_digest={digests[1]}`" in text
    for wrong in ("sha256:abc", "latest", f"sha256:{'A' * 64}", f"{digests[0]}\n"):
        with pytest.raises(UserError, match="expected sha256: and 64 hexadecimal digits"):
            deploy.write(tmp_path / "export", directory, digests=(None, wrong))


def test_command(tmp_path):
    export_of(tmp_path / "export", [1, 2])
    result = command("serving.deploy", f"--export_dir={tmp_path / 'export'}")
    assert result.returncode == 0, result.stderr
    assert [pathlib.Path(line) for line in result.stdout.splitlines()] == [
        tmp_path / "export" / "deployment" / name for name in deploy.FILES
    ]
    assert sentence(command("serving.deploy")) == (
        "error: which export? Give --export_dir=DIR, the directory that keras_infogan.export wrote."
    )
    export_of(tmp_path / "export", [3])
    result = command("serving.deploy", f"--export_dir={tmp_path / 'export'}", "--stable=1")
    assert "The label canary has yet to move to version 3" in result.stderr


def test_it_loads_no_tensorflow():
    code = (
        "import sys, keras_infogan.serving.deploy; print(sorted({'tensorflow', 'keras', "
        "'google.protobuf'} & set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE
        ).stdout
        == "[]\n"
    )
