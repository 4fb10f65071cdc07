// pretrain FOLDER: a run as a stranger's program makes it with the installed library. Settings from
// TOML, `train_run` into a folder, the encoder loaded from there, and features of other images.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <mec/autograd/variable.h>
#include <mec/data/formats/open_dataset.h>
#include <mec/eval/features.h>
#include <mec/ssl/run/run_directory.h>
#include <mec/ssl/run/saved_encoder.h>
#include <mec/ssl/run/settings_file.h>
#include <mec/ssl/run/train_run.h>
#include <mec/ssl/training/checkpoint_files.h>
#include <mec/tensor/devices.h>

namespace fs = std::filesystem;

namespace {

constexpr int kTrainImages = 20, kTestImages = 6, kSide = 12;  // gray

constexpr const char* kSettings = R"(
method = "mec"
[model]
arch = "resnet10"
stem = "cifar"
width = 8
dim = 8
proj_layers = 1
pred_hidden = 4
[mec]
eps2 = 8
lambda_warmup_epochs = 0
[train]
epochs = 2
batch = 8
lr = 0.1
warmup_epochs = 0
seed = 5
checkpoints_kept = 1
[data]
kind = "mnist"
mean = [0.25]
std = [0.5]
eval_size = 12
[augment]
size = 8
)";
constexpr int kSteps = 4;  // two whole batches in each epoch

void expect(bool good, const std::string& what) {
  if (!good) throw std::runtime_error("expected that " + what);
}

void write_file(const fs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  expect(file.flush().good(), path.string() + " can be written");
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// An MNIST split: 00 00 08 and the rank, sizes of four bytes, then bytes.
void write_split(const fs::path& folder, const std::string& split, int count) {
  const auto size = [](int n) { return std::string{0, 0, 0, static_cast<char>(n)}; };
  std::string images = std::string{0, 0, 8, 3} + size(count) + size(kSide) + size(kSide);
  std::string labels = std::string{0, 0, 8, 1} + size(count);
  unsigned random = split == "train" ? 1 : 2;
  for (int i = 0; i < count; ++i) {
    labels += static_cast<char>(i % 10);
    for (int pixel = 0; pixel < kSide * kSide; ++pixel) {
      random = random * 1664525U + 1013904223U;
      images += static_cast<char>(random >> 24);
    }
  }
  write_file(folder / (split + "-images-idx3-ubyte"), images);
  write_file(folder / (split + "-labels-idx1-ubyte"), labels);
}

using Values = std::vector<std::vector<float>>;

Values parameters_in(mec::Module& module) {
  Values values;
  for (const auto& [name, parameter] : mec::parameters_of(module)) values.push_back(parameter.value.data().to_vector<float>());
  return values;
}
Values buffers_in(mec::Module& module) {
  Values values;
  for (const auto& [name, tensor] : mec::buffers_of(module)) values.push_back(tensor.to_vector<float>());
  return values;
}
bool all_differ(const Values& a, const Values& b) {
  return !a.empty() && std::ranges::equal(a, b, [](const auto& x, const auto& y) { return x.size() == y.size() && x != y; });
}

// What training itself says, to compare files with.
struct Witness : mec::Observer {
  void on_step(const mec::StepReport& report) override { losses.push_back(report.metrics.front().second); }
  void on_epoch(std::int64_t, mec::Learner& learner) override {
    parameters = parameters_in(learner.online.encoder);
    buffers = buffers_in(learner.online.encoder);
  }

  std::vector<double> losses;
  Values parameters, buffers;  // of the encoder at the end
};

void check_files(const fs::path& run, const mec::PretrainSettings& settings, const Witness& witness) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(run)) names.insert(entry.path().filename().string());
  expect(names == std::set<std::string>{mec::kSettingsFile, mec::kMetricsFile, mec::kTimingsFile, mec::kEncoderFile,
                                        mec::checkpoint_name(kSteps)},
         "the folder has the files of a run, and no others");
  expect(mec::list_settings(mec::read_run_settings(run)) == mec::list_settings(settings), "its settings are those of the run");

  std::ifstream metrics(run / mec::kMetricsFile);
  std::vector<double> losses;
  for (std::string line; std::getline(metrics, line);) {
    const std::size_t at = line.find("\"loss\":");
    expect(at != std::string::npos, "each line of metrics has the loss");
    losses.push_back(std::strtod(line.c_str() + at + 7, nullptr));
  }
  expect(losses.size() == kSteps && std::ranges::all_of(losses, [](double loss) { return std::isfinite(loss); }),
         "each step has a line with a finite loss");
  expect(losses == witness.losses, "these are the losses that observers saw");
}

void check_encoder(const mec::SavedEncoder& saved, const Witness& witness, const mec::Device& device) {
  const mec::WeightsInfo& info = saved.info();
  expect(info.encoder.arch == "resnet10" && info.encoder.stem == mec::Stem::cifar && info.encoder.width == 8 &&
             info.encoder.in_channels == 1 && info.image_size == kSide,
         "the file says what network it is");
  expect(saved.normalization() == mec::Normalization{.mean = {0.25F}, .std = {0.5F}}, "and how images are normalised");

  mec::ResNet encoder = saved.load(device), initial = saved.random(device);
  expect(parameters_in(encoder) == witness.parameters && buffers_in(encoder) == witness.buffers,
         "the weights are those that training ended with, to the bit");
  expect(all_differ(parameters_in(encoder), parameters_in(initial)) && all_differ(buffers_in(encoder), buffers_in(initial)),
         "training changed every weight and every statistic");
}

// By the pieces: the view of each image, the batch, the network.
std::vector<float> embed_by_hand(const mec::SavedEncoder& saved, const mec::Dataset& images, const mec::Device& device) {
  const mec::TransformPtr view = saved.view(images.info().size);
  expect(view->views() == 1 && view->size(0) == mec::ImageSize{kSide, kSide}, "the view has the size that was asked for");
  constexpr std::size_t kPixels = kSide * kSide;
  std::vector<float> batch(kTestImages * kPixels);  // (N,H,W,1)
  for (std::size_t i = 0; i < kTestImages; ++i) {
    const mec::Image image = images.read(static_cast<std::int64_t>(i));
    const std::span<float> pixels = std::span(batch).subspan(i * kPixels, kPixels);
    view->apply(image, {}, 1, pixels);
    for (std::size_t p = 0; p < kPixels; ++p) {
      const float normalised = (static_cast<float>(image.pixels[p]) / 255 - 0.25F) / 0.5F;
      expect(std::fabs(pixels[p] - normalised) < 1e-5F, "a view's pixel is (pixel - mean)/std");
    }
  }
  const mec::NoGrad no_grad;
  const mec::Tensor x = mec::Tensor::from(batch, {kTestImages, kSide, kSide, 1}, device);
  return saved.load(device)(x, mec::kEvaluation).data().to_vector<float>();
}

void check_features(const fs::path& run, const fs::path& data, const mec::Device& device) {
  const mec::SavedEncoder saved(run);
  const mec::DatasetPtr images = mec::open_dataset({.path = data, .kind = "mnist", .split = mec::Split::test});
  const auto features = [&](const mec::SavedEncoder& from, const mec::ResNet& encoder) {
    return mec::embed(encoder, mec::stream_dataset(images, from.view(images->info().size), device));
  };
  const mec::Features trained = features(saved, saved.load(device));
  const std::vector<float> values = trained.x.to_vector<float>();
  expect(trained.x.shape() == mec::Shape{kTestImages, 64}, "each image has 64 features, as wide as the last stage");
  expect(trained.labels == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5}, "and the label of its file");
  expect(std::ranges::all_of(values, [](float v) { return std::isfinite(v); }), "features are finite");
  expect(!std::ranges::equal(std::span(values).first(64), std::span(values).subspan(64, 64)), "images differ in them");

  for (const fs::path& source : {run, run / mec::kEncoderFile}) {  // the file explains itself
    const mec::SavedEncoder again(source);
    expect(features(again, again.load(device)).x.to_vector<float>() == values, "a second load gives the same bits");
  }
  expect(embed_by_hand(saved, *images, device) == values, "view and network by hand give the same bits");
  expect(features(saved, saved.random(device)).x.to_vector<float>() != values, "the untrained network gives others");
}

void pretrain(const fs::path& folder) {
  const fs::path data = folder / "data", run = folder / "run";
  fs::create_directories(data);
  write_split(data, "train", kTrainImages);
  write_split(data, "t10k", kTestImages);
  write_file(folder / "settings.toml", kSettings);
  mec::PretrainSettings settings = mec::read_settings(folder / "settings.toml");
  mec::apply_assignments(settings, {"data.path=" + data.string()});

  const mec::Device device = mec::make_cpu_device();
  Witness witness;
  mec::train_run(settings, device, run, {.observers = {&witness}});
  check_files(run, settings, witness);
  check_encoder(mec::SavedEncoder(run), witness, device);
  check_features(run, data, device);

  mec::train_run(settings, device, folder / "again");
  expect(read_file(folder / "again" / mec::kEncoderFile) == read_file(run / mec::kEncoderFile),
         "the same run again writes the same bytes");
  std::string told;
  mec::resume_run(device, run, {.log = [&](const std::string& line) { told += line; }});
  expect(told.ends_with("training has ended already, after 2 epochs"), "a run that has ended says so");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    pretrain(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pretrain: %s\n", error.what());
    return 1;
  }
  return 0;
}
