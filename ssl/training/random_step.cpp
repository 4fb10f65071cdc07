#include "mec/ssl/training/random_step.h"

#include "mec/ssl/methods/methods.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

std::vector<Tensor> random_views(const PretrainSettings& settings, const std::vector<ImageSize>& sizes, std::int64_t channels,
                                 const Device& device, const Communicator& ranks) {
  const std::int64_t own = settings.train.batch / ranks.size(), first = ranks.rank() * own;
  std::vector<Tensor> views;
  for (const ImageSize& size : sizes) {
    const Shape shape{settings.train.batch, size.height, size.width, device->image_channels(channels)};
    const Tensor all = random(shape, Dtype::f32, device, {.seed = views.size() + 1});
    views.push_back(ranks.size() == 1 ? all : all.rows(first, first + own).clone());
  }
  return views;
}

}  // namespace

RandomStep::RandomStep(const PretrainSettings& settings, const std::vector<ImageSize>& views, std::int64_t channels,
                       const Device& device, const StepRunnerOptions& options, const CommunicatorPtr& ranks)
    : objective_(make_step_objective(settings, device)),
      learner_({.model = settings.model,
                .train = settings.train,
                .in_channels = channels,
                .ema_teacher = objective_->ema_teacher(),
                .ranks = ranks},
               device),
      views_(random_views(settings, views, channels, device, *ranks)),
      scalars_(Dtype::f32, device),
      runner_(learner_, *objective_, scalars_, options) {
  scalars_.set({.lr = 0.05, .ema = 0.996});
  objective_->before_step(settings.train.epochs, 1);  // as at the end of a run, all warm-ups over
}

double RandomStep::run() { return objective_->summarize(runner_.run(views_)().parts).front().second; }

}  // namespace mec
