/* program FOLDER: what an embedder does with mec.h. Trains on images that it makes, takes features
 * during and after training, goes on from a checkpoint, and asks for a loss with its gradients. */
#include <mec.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { kImages = 20, kSide = 12, kPixels = kSide * kSide, kBatch = 8, kSteps = 4, kFeatures = 64 };

static const char* const kSettings =
    "method = \"mec\"\n"
    "[model]\narch = \"resnet10\"\nstem = \"cifar\"\nwidth = 8\ndim = 8\nproj_layers = 1\npred_hidden = 4\n"
    "[mec]\neps2 = 8\nlambda_warmup_epochs = 0\n"
    "[train]\nepochs = 2\nbatch = 8\nlr = 0.1\nwarmup_epochs = 0\nseed = 5\n"
    "[data]\nmean = [0.25]\nstd = [0.5]\n"
    "[augment]\nsize = 8\n";

static void expect(int good, const char* what) {
  if (good) return;
  fprintf(stderr, "expected that %s; the last error is '%s'\n", what, mec_last_error());
  exit(1);
}

static void ok(mec_status status) {
  if (status == MEC_OK) return;
  fprintf(stderr, "%s\n", mec_last_error());
  exit(1);
}

static uint8_t pixels[kImages][kPixels];

static void make_images(void) {
  uint32_t random = 1;
  int i, p;
  for (i = 0; i < kImages; ++i) {
    for (p = 0; p < kPixels; ++p) {
      random = random * 1664525U + 1013904223U;
      pixels[i][p] = (uint8_t)(random >> 24);
    }
  }
}

static mec_trainer* open_trainer(const char* checkpoint) {
  mec_trainer_options options = MEC_TRAINER_OPTIONS_INIT;
  mec_trainer* trainer = NULL;
  options.images = kImages;
  options.channels = 1;
  options.checkpoint = checkpoint;
  ok(mec_trainer_open(kSettings, &options, NULL, &trainer));
  return trainer;
}

static double train(mec_trainer* trainer, int steps) {
  uint8_t batch[kBatch][kPixels];
  int64_t numbers[kBatch];
  double loss = NAN;
  int i;
  for (; steps > 0; --steps) {
    mec_figures figures;
    mec_images images = {NULL, MEC_U8, kBatch, kSide, kSide, 1};
    ok(mec_trainer_next(trainer, numbers));
    for (i = 0; i < kBatch; ++i) memcpy(batch[i], pixels[numbers[i]], kPixels);
    images.pixels = batch;
    ok(mec_trainer_step(trainer, &images, &figures));
    expect(figures.count > 1 && strcmp(figures.names[0], "loss") == 0, "the first figure is the loss");
    loss = figures.values[0];
    expect(isfinite(loss), "it is finite");
  }
  return loss;
}

static void embed(mec_encoder* encoder, float* features) {
  mec_images images = {NULL, MEC_U8, kImages, kSide, kSide, 1};
  images.pixels = pixels;
  ok(mec_encoder_embed(encoder, &images, features));
}

/* Four steps of training, stopped in the middle and not: the same features. */
static void check_training(const char* folder) {
  static float whole[kImages][kFeatures], resumed[kImages][kFeatures], saved[kImages][kFeatures];
  char checkpoint[4096], weights[4096];
  mec_trainer *first = open_trainer(NULL), *second;
  mec_encoder* encoder = NULL;
  struct {
    mec_encoder_info info;
    int64_t after; /* where a newer library knows more members */
  } told;
  sprintf(checkpoint, "%.4000s/checkpoint.safetensors", folder);
  sprintf(weights, "%.4000s/encoder.safetensors", folder);
  train(first, 1);
  ok(mec_trainer_save_checkpoint(first, checkpoint));
  train(first, kSteps - 1);
  ok(mec_trainer_encoder(first, &encoder));
  told.info.size = sizeof told.info;
  told.after = 77;
  ok(mec_encoder_describe(encoder, &told.info));
  expect(told.info.channels == 1 && told.info.image_size == 8 && told.info.features == kFeatures,
         "the encoder says what it is");
  expect(told.after == 77, "nothing is written behind the struct");
  embed(encoder, whole[0]);
  ok(mec_encoder_free(encoder));

  second = open_trainer(checkpoint);
  train(second, kSteps - 1);
  ok(mec_trainer_finish(second));
  ok(mec_trainer_save_encoder(second, weights));
  ok(mec_trainer_encoder(second, &encoder));
  embed(encoder, resumed[0]);
  ok(mec_encoder_free(encoder));
  expect(memcmp(whole, resumed, sizeof whole) == 0, "a run that goes on ends with the same bits");

  ok(mec_encoder_open(weights, NULL, &encoder));
  embed(encoder, saved[0]);
  expect(memcmp(whole, saved, sizeof whole) == 0, "the file's encoder is the same");
  expect(memcmp(whole[0], whole[1], sizeof whole[0]) != 0, "images differ in their features");
  ok(mec_encoder_free(encoder));
  ok(mec_trainer_free(first));
  ok(mec_trainer_free(second));
}

/* Orthonormal rows: C = I/4, so that log det(I + C) is 2 log(5/4). */
static void check_objective(void) {
  const double rows[2][2] = {{1, 0}, {0, 1}};
  double dp[2][2], dz[2][2];
  const double expected = -4 * log(1.25);
  mec_embeddings embeddings = MEC_EMBEDDINGS_INIT;
  mec_objective* objective = NULL;
  mec_figures figures;
  ok(mec_objective_open("[mec]\neps2 = 4\nexact = true\n", NULL, &objective));
  embeddings.dtype = MEC_F64;
  embeddings.m = embeddings.d = 2;
  embeddings.p = embeddings.z = rows;
  embeddings.dp = dp;
  embeddings.dz = dz;
  ok(mec_objective_evaluate(objective, &embeddings, &figures));
  expect(fabs(figures.values[0] - expected) < 1e-12, "the loss is the one by hand");
  expect(fabs(dp[0][0]) < 1e-12 && fabs(dz[1][1]) < 1e-12, "no gradient leads along unit rows");
  ok(mec_objective_free(objective));
}

static void check_misuse(void) {
  mec_encoder* encoder = NULL;
  mec_trainer* trainer = open_trainer(NULL);
  const mec_images images = {NULL, MEC_U8, kBatch, kSide, kSide, 1};
  expect(mec_encoder_open("no such folder", NULL, &encoder) == MEC_ERROR_IO, "a missing file is an error");
  expect(strncmp(mec_last_error(), "mec_encoder_open: cannot read no such folder", 44) == 0, "the message names call and file");
  expect(encoder == NULL, "there is no handle then");
  expect(mec_trainer_step(trainer, &images, NULL) == MEC_ERROR_VALUE, "null pixels are an error");
  ok(mec_trainer_free(trainer));
  expect(mec_trainer_step(trainer, &images, NULL) == MEC_ERROR_HANDLE, "a freed handle is told");
  expect(mec_trainer_free(NULL) == MEC_ERROR_HANDLE, "null is told");
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  mkdir(argv[1], 0755);
  make_images();
  check_training(argv[1]);
  check_objective();
  check_misuse();
  printf("mec %s\n", mec_version());
  return 0;
}
