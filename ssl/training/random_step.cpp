#include "mec/ssl/training/random_step.h"

#include "mec/ssl/methods/methods.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

StepInput random_input(const PretrainSettings& settings, const StepImages& images, const Device& device,
                       const Communicator& ranks) {
  const std::int64_t own = settings.train.batch / ranks.size(), first = ranks.rank() * own;
  std::vector<Tensor> views;
  for (const ImageSize& size : images.views) {
    const Shape shape{settings.train.batch, size.height, size.width, device->image_channels(images.channels)};
    const Tensor all = random(shape, Dtype::f32, device, {.seed = views.size() + 1});
    views.push_back(ranks.size() == 1 ? all : all.rows(first, first + own).clone());
  }
  if (!learns_from_labels(settings)) return views;
  std::vector<std::int32_t> labels;
  for (std::int64_t i = first; i < first + own; ++i) labels.push_back(static_cast<std::int32_t>(i % images.classes));
  return {views, Tensor::from(labels, {own}, device)};
}

}  // namespace

RandomStep::RandomStep(const PretrainSettings& settings, const StepImages& images, const Device& device,
                       const StepRunnerOptions& options, const CommunicatorPtr& ranks)
    : objective_(make_step_objective(settings, device)),
      learner_({.model = settings.model,
                .train = settings.train,
                .in_channels = images.channels,
                .ema_teacher = objective_->ema_teacher(),
                .classifier = classifier_of(settings, images.classes),
                .ranks = ranks},
               device),
      input_(random_input(settings, images, device, *ranks)),
      scalars_(Dtype::f32, device),
      runner_(learner_, *objective_, scalars_, options) {
  scalars_.set({.lr = 0.05, .ema = 0.996});
  objective_->before_step(settings.train.epochs, 1);  // as at the end of a run, all warm-ups over
}

double RandomStep::run() { return objective_->summarize(runner_.run(input_)().parts).front().second; }

}  // namespace mec
