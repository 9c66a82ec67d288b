/* Generates images with TensorFlow's C interface, without Python. Compile it against TensorFlow as pip installs it, or against libtensorflow:

       TF=$(python -c "import importlib.util as u; print(u.find_spec('tensorflow').submodule_search_locations[0])")
       gcc c_api.c -o c_api -I"$TF/include" -L"$TF" -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2 -Wl,-rpath,"$TF"

   Then name the SavedModel, the tensors of its signature "latents" as `saved_model_cli show` prints them, the length of a latent vector, where the first
   code begins in it (after the noise), and its number of categories:

       ./c_api DIR/digits-infogan/1 latents_latents:0 StatefulPartitionedCall_3:0 73 62 10
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tensorflow/c/c_api.h>

static TF_Status* status;

static void check(void) {
  if (TF_GetCode(status) != TF_OK) {
    fprintf(stderr, "%s\n", TF_Message(status));
    exit(1);
  }
}

/* Finds a tensor from a name such as "operation:0". */
static TF_Output find(TF_Graph* graph, char* name) {
  char* colon = strrchr(name, ':');
  *colon = '\0';
  TF_Output output = {TF_GraphOperationByName(graph, name), atoi(colon + 1)};
  if (output.oper == NULL) {
    fprintf(stderr, "the model has no tensor %s\n", name);
    exit(1);
  }
  return output;
}

int main(int count, char** arguments) {
  if (count != 7) {
    fprintf(stderr, "usage: c_api MODEL INPUT OUTPUT LATENT_SIZE CODE_START NUM_CATEGORIES\n");
    return 2;
  }
  const int64_t size = atoi(arguments[4]), start = atoi(arguments[5]), categories = atoi(arguments[6]);
  status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  const char* tags[] = {"serve"};
  TF_Session* session = TF_LoadSessionFromSavedModel(options, NULL, arguments[1], tags, 1, graph, NULL, status);
  check();

  const int64_t shape[] = {categories, size};
  TF_Tensor* latents = TF_AllocateTensor(TF_FLOAT, shape, 2, categories * size * sizeof(float));
  float* values = TF_TensorData(latents);
  memset(values, 0, TF_TensorByteSize(latents));
  for (int64_t category = 0; category < categories; category++) values[category * size + start + category] = 1;

  const TF_Output input = find(graph, arguments[2]), output = find(graph, arguments[3]);
  TF_Tensor* images = NULL;
  TF_SessionRun(session, NULL, &input, &latents, 1, &output, &images, 1, NULL, 0, NULL, status);
  check();

  const float* pixels = TF_TensorData(images);
  const size_t length = TF_TensorByteSize(images) / sizeof(float) / categories;
  for (int64_t image = 0; image < categories; image++) {
    double sum = 0;
    for (size_t pixel = 0; pixel < length; pixel++) sum += pixels[image * length + pixel];
    printf("%.7f ", sum / length);
  }
  printf("\n");

  TF_DeleteTensor(latents);
  TF_DeleteTensor(images);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
