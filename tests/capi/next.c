/* A program that was compiled against the next header of the same MEC_ABI (next.cmake): with the
 * next library its members count; an older library says that it does not know them. */
#include <mec.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect(int good, const char* what) {
  if (good) return;
  fprintf(stderr, "expected that %s; the last error is '%s'\n", what, mec_last_error());
  exit(1);
}

static int64_t seen_of_device(const mec_device* device) {
  mec_objective* objective = NULL;
  expect(mec_objective_open("", device, &objective) == MEC_OK, "the device is taken");
  mec_objective_free(objective);
  return mec_added();
}

static void check_next_library(void) {
  const char* const settings =
      "[model]\narch = 'resnet10'\nwidth = 4\n[train]\nbatch = 4\n[data]\nmean = [0.5]\nstd = [0.5]\n[augment]\nsize = 8\n";
  mec_device device = MEC_DEVICE_INIT;
  mec_trainer_options options = MEC_TRAINER_OPTIONS_INIT;
  mec_trainer* trainer = NULL;
  mec_trainer_info info;
  device.threads = 1;
  expect(seen_of_device(&device) == -7, "a new member has its default");
  device.added = 5;
  expect(seen_of_device(&device) == 5, "a new member is read");
  device.size = offsetof(mec_device, added); /* as of a program that does not know it */
  expect(seen_of_device(&device) == -7, "a program that does not know the member gets its default");

  options.channels = 1;
  options.size = offsetof(mec_trainer_options, added);
  expect(mec_trainer_open(settings, &options, NULL, &trainer) == MEC_OK, "older options are taken");
  memset(&info, 0, sizeof info);
  info.size = offsetof(mec_trainer_info, added);
  info.added = 77;
  expect(mec_trainer_describe(trainer, &info) == MEC_OK && info.batch == 4, "an older info is filled");
  expect(info.added == 77, "nothing is written behind it");
  info.size = sizeof info;
  expect(mec_trainer_describe(trainer, &info) == MEC_OK && info.added == 42, "a new member is filled");
  expect(mec_trainer_free(trainer) == MEC_OK, "the trainer is freed");
  puts("grown structs are read and filled");
}

static void check_older_library(void) {
  const mec_device device = MEC_DEVICE_INIT;
  mec_objective* objective = NULL;
  char said[200];
  sprintf(said,
          "mec_objective_open: mec_device.size is %d, but this library knows %d bytes of it; set it to sizeof, and use a "
          "library that is as new as its header",
          (int)sizeof device, (int)offsetof(mec_device, added));
  expect(mec_objective_open("", &device, &objective) == MEC_ERROR_VALUE, "a grown struct is refused");
  expect(objective == NULL && strcmp(mec_last_error(), said) == 0, said);
  puts("an older library refuses grown structs");
}

int main(void) {
  if (mec_added) check_next_library();
  else check_older_library();
  return 0;
}
