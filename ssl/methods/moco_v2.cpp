// MoCo v2 (Chen et al. 2020, "Improved Baselines with Momentum Contrastive Learning"; He et al.,
// CVPR 2020): each query is to be nearest to the averaged teacher's key of the other view, among
// the keys of earlier batches (He et al., equation 1).
#include "mec/ssl/methods/methods.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

class MocoObjective : public PairObjective {
 public:
  // The queue starts as random directions, as published.
  MocoObjective(double temperature, const Shape& queue, std::uint64_t seed, Dtype dtype, const Device& device)
      : PairObjective({.metrics = {"loss", "cosine"}, .ema_teacher = true, .of_ranks = OfRanks::own_rows}),
        temperature_(temperature),
        bank_(Tensor::zeros({queue[0] + 1, queue[1]}, dtype, device)),
        first_(Tensor::zeros({1, queue[0] + 1}, dtype, device)) {
    const RandomArgs draw{.seed = seed, .stream = {0, static_cast<std::uint32_t>(Purpose::queue) << 16, 0}};
    this->queue().copy_from(normalize_rows(random(queue, dtype, device, draw)).y);
    first_.segment(0, {1}).fill(1.0);
  }
  std::string name() const override { return "moco-v2"; }
  std::vector<NamedBuffer> state() const override { return {{"queue", queue()}}; }

  ObjectiveResult operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                             const StepContext& step) override {
    ObjectiveResult out = PairObjective::operator()(students, teachers, step);
    // The last view's keys go into the queue, as published, and only when every student has met the
    // queue without them.
    if (students.back().view + 1 == static_cast<std::int64_t>(teachers.size())) enqueue(step.rows.gather(teachers.back()));
    return out;
  }

  PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const override {
    check_pair("moco-v2", p, z);
    check<ShapeError>(p.dim(1) == bank_.dim(1), "moco-v2: the queue has keys of width ", bank_.dim(1), ", but p is ",
                      p.shape());
    check<DtypeError>(p.dtype() == bank_.dtype(), "moco-v2: the queue is ", bank_.dtype(), ", but p is ", p.dtype());
    const std::int64_t m = p.dim(0);
    const NormalizedRows Q = normalize_rows(p), K = normalize_rows(z);
    // Logits (m,1+L): the bank's first row is zero, so column 0 is free. An outer product then adds
    // the logit of each query's own key there.
    const Tensor q = scale(Q.y, 1.0 / temperature_);
    const Tensor positive = sum(mul(q, K.y), 1);
    const Tensor logits = matmul(q, bank_, {.trans_b = true});
    matmul_into(positive.reshape({m, 1}), first_, logits, {.accumulate = true});
    const CrossEntropy entropy = cross_entropy(logits, Tensor::zeros({m}, Dtype::i32, p.device()));

    const double per_row = options.weight / static_cast<double>(options.rows.count(p));
    const Tensor own = join({scale(sum(entropy.loss), per_row), scale(sum(positive), per_row * temperature_)});
    PairResult out{.metrics = options.rows.sum(own), .dp = {}, .dz = {}};
    const double factor = per_row / temperature_;
    const Tensor g = scale(matmul(entropy.dlogits, first_, {.trans_b = true}), factor);  // (m,1), for its own key
    if (options.dp) {
      const Tensor dq = mul(K.y, g);
      axpby(matmul(entropy.dlogits, bank_), dq, {.alpha = factor, .beta = 1.0});
      out.dp = normalize_rows_grad(Q, dq);
    }
    if (options.dz) out.dz = normalize_rows_grad(K, mul(Q.y, g));
    return out;
  }

 private:
  Tensor queue() const { return bank_.rows(1, bank_.dim(0)); }
  // Shifts the queue by a batch, block by block from the oldest. The addresses are the same in
  // every step, so a recorded step can replay this.
  void enqueue(const Tensor& keys) const {
    const Tensor all = queue();
    const std::int64_t m = keys.dim(0), length = all.dim(0);
    check<ShapeError>(length % m == 0, "moco-v2: the queue's length ", length, " is no multiple of the batch of ", m);
    for (std::int64_t at = 0; at + m < length; at += m) all.rows(at, at + m).copy_from(all.rows(at + m, at + 2 * m));
    all.rows(length - m, length).copy_from(normalize_rows(keys).y);
  }

  double temperature_;
  Tensor bank_;   // (1+L,d): a row of zeros, then the queue, oldest first
  Tensor first_;  // (1,1+L): 1 and zeros
};

}  // namespace

// github.com/facebookresearch/moco, main_moco.py and README with --mlp --moco-t 0.2 --cos. There
// each image gives one query and one key; here every view is a query, as in the later symmetric
// variants, and each batch still adds one key an image.
Method moco_v2_method() {
  return {
      .name = "moco-v2",
      .title = "MoCo v2: contrast with a queue of an averaged teacher's keys (Chen et al. 2020)",
      .defaults =
          [](ModelSettings& model, TrainSettings& train) {
            model.dim = 128;
            model.proj_layers = 2;
            model.proj_hidden = 2048;
            model.proj_norm = false;
            model.proj_output_norm = false;
            model.pred_hidden = 0;
            train.batch = 256;
            train.lr = 0.03;
            train.warmup = {.epochs = 0};
            train.weight_decay = 1e-4;
            train.ema = 0.999;
            train.ema_end = 0.999;
          },
      .averaged_teacher = true,
      .settings = {{.name = "temperature", .value = 0.2, .low = 0.01, .high = 100, .help = "T: similarities are divided by it"},
                   {.name = "queue",
                    .value = 65536,
                    .low = 1,
                    .high = 1 << 24,
                    .help = "Keys of earlier batches; a multiple of train.batch",
                    .kind = MethodSetting::Kind::whole,
                    .of_pair = false}},
      .scales_rows = true,
      .pair_reads_queue = true,
      .make = [](const MethodSetup& setup) -> std::unique_ptr<PairObjective> {
        const std::int64_t length = setup.whole("queue"), batch = setup.settings.train.batch;
        check<ValueError>(length % batch == 0, "moco-v2.queue is a multiple of train.batch, but they are ", length, " and ",
                          batch, "; ", std::max<std::int64_t>(1, length / batch) * batch, " would do");
        return std::make_unique<MocoObjective>(setup.number("temperature"), Shape{length, setup.settings.model.dim},
                                               setup.settings.train.seed, setup.dtype, setup.device);
      }};
}

}  // namespace mec
