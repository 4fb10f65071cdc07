// SwAV (Caron et al., NeurIPS 2020, "Unsupervised Learning of Visual Features by Contrasting
// Cluster Assignments"): from each view's scores against prototypes, predict the other view's
// assignment to them, which Sinkhorn's algorithm spreads evenly over the prototypes.
#include <array>

#include "mec/ssl/methods/methods.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

constexpr std::size_t kAssigning = 2;  // the first views assign; all views predict

struct SwavSettings {
  double temperature, epsilon;
  std::int64_t rounds, queue, queue_epoch, batch;
};

// An embedding here is a row of scores, cosines with K prototypes (nn/prototypes.h).
class SwavObjective : public PairObjective {
 public:
  SwavObjective(const SwavSettings& settings, std::int64_t dim, Dtype dtype, const Device& device)
      : PairObjective({.metrics = {"loss", "confidence"}, .symmetric = true, .of_ranks = OfRanks::own_rows}),
        settings_(settings),
        queue_share_(Tensor::zeros({1, 1}, dtype, device)) {
    if (settings.queue == 0) return;
    for (Tensor& queue : queues_) queue = Tensor::zeros({settings.queue, dim}, dtype, device);
  }
  std::string name() const override { return "swav"; }
  std::vector<NamedBuffer> state() const override {
    if (settings_.queue == 0) return {};
    return {{"queue1", queues_[0]}, {"queue2", queues_[1]}};
  }
  // The queue is used from epoch queue_epoch on, and not before it is full.
  void before_step(std::int64_t step, std::int64_t steps_per_epoch) override {
    const bool full = step * settings_.batch >= settings_.queue;
    queue_share_.fill(full && step >= settings_.queue_epoch * steps_per_epoch ? 1.0 : 0.0);
  }

  ObjectiveResult operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& /*teachers*/,
                             const StepContext& step) override {
    check<ShapeError>(students.size() >= 2, "swav: a pair needs two views, but the batch has ", students.size());
    std::array<Tensor, kAssigning> targets;
    for (std::size_t a = 0; a < kAssigning; ++a) {
      targets[a] = settings_.queue > 0 ? assign_with_queue(students[a], queues_[a], step)
                                       : assign(students[a].embedding, {}, step.rows);
    }
    ObjectiveResult out;
    const double weight = 1.0 / static_cast<double>(kAssigning * (students.size() - 1));
    for (std::size_t v = 0; v < students.size(); ++v) {
      Tensor gradient;
      for (std::size_t a = 0; a < kAssigning; ++a) {
        if (a == v) continue;
        const Prediction prediction = predict(students[v].embedding, targets[a], weight, step.rows);
        const Tensor metrics = metrics_of(prediction, targets[a], weight, step.rows);
        out.metrics.push_back(with_spread(metrics, students[v], !gradient, step.rows));
        if (gradient) add_into(prediction.gradient, gradient);
        else gradient = prediction.gradient;
      }
      out.gradients.push_back(gradient);
    }
    return out;
  }

  PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const override {
    check_pair("swav", p, z);
    const double weight = options.weight / 2;
    const BatchRows& rows = options.rows;
    const Tensor of_p = assign(p, {}, rows), of_z = assign(z, {}, rows);
    const Prediction from_p = predict(p, of_z, weight, rows), from_z = predict(z, of_p, weight, rows);
    return {.metrics = add(metrics_of(from_p, of_z, weight, rows), metrics_of(from_z, of_p, weight, rows)),
            .dp = options.dp ? from_p.gradient : Tensor(),
            .dz = options.dz ? from_z.gradient : Tensor()};
  }

 private:
  struct Prediction {
    Tensor loss;      // shape (), of these rows
    Tensor gradient;  // (m,K)
  };

  // Assignments q (m,K) of the last m rows of scores (R,K), rows of sum 1. shares (R,1) say how
  // much each row counts; undefined: 1 each. Sinkhorn's rounds keep Q = diag(u) E diag(v), so that
  // a round is two products with a vector: v makes all prototypes equally popular, u all rows sum
  // to 1.
  Tensor assign(const Tensor& scores, const Tensor& shares, const BatchRows& batch, std::int64_t m = -1) const {
    const std::int64_t rows = scores.dim(0), prototypes = scores.dim(1);
    const auto all = [&](const Shape& shape, double value) {
      return Tensor::full(shape, value, scores.dtype(), scores.device());
    };
    // e^{(s − 1)/ε}: scores are cosines, so it neither overflows nor vanishes, and v cancels the
    // factor e^{−1/ε}.
    const Tensor e = exp(sub(scale(scores, 1 / settings_.epsilon), all({prototypes}, 1 / settings_.epsilon)));
    const Tensor ones_r = all({rows, 1}, 1.0), ones_k = all({prototypes, 1}, 1.0);
    Tensor u = ones_r, v;
    for (std::int64_t round = 0; round < settings_.rounds; ++round) {
      v = div(ones_k, batch.sum(matmul(e, shares ? mul(u, shares) : u, {.trans_a = true})));
      u = div(ones_r, matmul(e, v));
    }
    const std::int64_t first = m < 0 ? 0 : rows - m;
    return mul(mul(e.rows(first, rows), v.reshape({prototypes})), u.rows(first, rows));
  }

  Tensor assign_with_queue(const StudentView& student, const Tensor& queue, const StepContext& step) const {
    check<ValueError>(static_cast<bool>(step.predict), "swav: a queue needs StepContext::predict, to score it afresh");
    const Tensor& scores = student.embedding;
    const std::int64_t m = scores.dim(0), length = queue.dim(0);
    Tensor all({length + m, scores.dim(1)}, scores.dtype(), scores.device());
    all.rows(0, length).copy_from(step.predict(queue));
    all.rows(length, length + m).copy_from(scores);
    Tensor shares({length + m, 1}, scores.dtype(), scores.device());
    // Each rank adds the whole queue to the sums, where one share of it counts.
    const Tensor part = Tensor::full({length, 1}, 1.0 / step.rows.ranks(), scores.dtype(), scores.device());
    matmul_into(part, queue_share_, shares.rows(0, length));
    shares.rows(length, length + m).fill(1.0);
    const Tensor q = assign(all, shares, step.rows, m);
    enqueue(step.rows.gather(student.projection), queue);
    return q;
  }

  static void enqueue(const Tensor& projections, const Tensor& queue) {
    const std::int64_t m = projections.dim(0), length = queue.dim(0);
    check<ShapeError>(length % m == 0, "swav: the queue's length ", length, " is no multiple of the batch of ", m);
    for (std::int64_t at = 0; at + m < length; at += m) queue.rows(at, at + m).copy_from(queue.rows(at + m, at + 2 * m));
    queue.rows(length - m, length).copy_from(projections);
  }

  // −weight/m·Σ_rows Σ_k q_k log softmax(x)_k with x = s/T. Rows of q sum to 1, so the
  // cross-entropy to q is that to class 0 plus ⟨e_0 − q, x⟩, where e_0 = (1,0,…,0).
  Prediction predict(const Tensor& scores, const Tensor& q, double weight, const BatchRows& rows) const {
    const std::int64_t m = scores.dim(0), prototypes = scores.dim(1);
    const Tensor logits = scale(scores, 1 / settings_.temperature);
    const CrossEntropy entropy = cross_entropy(logits, Tensor::zeros({m}, Dtype::i32, scores.device()));
    const Tensor first = Tensor::zeros({1, prototypes}, scores.dtype(), scores.device());
    first.segment(0, {1}).fill(1.0);
    const Tensor h = scale(q, -1.0);
    matmul_into(Tensor::full({m, 1}, 1.0, scores.dtype(), scores.device()), first, h, {.accumulate = true});
    const double per_row = weight / static_cast<double>(rows.count(scores));
    return {.loss = scale(add(sum(entropy.loss), sum(mul(h, logits))), per_row),
            .gradient = scale(add(entropy.dlogits, h), per_row / settings_.temperature)};
  }

  // Loss, and how sure the assignments are: the mean of each row's largest.
  static Tensor metrics_of(const Prediction& prediction, const Tensor& q, double weight, const BatchRows& rows) {
    const double per_row = weight / static_cast<double>(rows.count(q));
    return rows.sum(join({prediction.loss, scale(sum(top_k(q, 1).values), per_row)}));
  }

  SwavSettings settings_;
  std::array<Tensor, kAssigning> queues_;  // (L,d) projections of the assigning views, oldest first
  Tensor queue_share_;                     // (1,1): 1 while the queue is used, else 0
};

}  // namespace

// github.com/facebookresearch/swav, main_swav.py, at 256 images a batch (lr 0.6; LARS, there LARC
// without clipping). There the prototypes are normalised in place before each step and frozen in
// the first epoch; here nn/prototypes.h normalises them in the forward pass.
Method swav_method() {
  return {.name = "swav",
          .title = "SwAV: swapped prediction of cluster assignments (Caron et al., NeurIPS 2020)",
          .defaults =
              [](ModelSettings& model, TrainSettings& train) {
                model.dim = 128;
                model.proj_layers = 2;
                model.proj_hidden = 2048;
                model.proj_output_norm = false;
                model.pred_hidden = 0;
                model.prototypes = 3000;
                train.batch = 256;
                train.optimizer = "lars";
                train.lr = 0.6;
                train.weight_decay = 1e-6;
              },
          .settings =
              {{.name = "temperature", .value = 0.1, .low = 0.01, .high = 100, .help = "T: scores are divided by it"},
               {.name = "epsilon", .value = 0.05, .low = 0.03, .high = 100, .help = "ε of Sinkhorn: how soft assignments are"},
               {.name = "rounds", .value = 3, .low = 1, .high = 1000, .help = "Of Sinkhorn", .kind = MethodSetting::Kind::whole},
               {.name = "queue",
                .value = 0,
                .high = 1 << 24,
                .help = "Projections of earlier batches that are assigned along; a multiple of train.batch, 0: none",
                .kind = MethodSetting::Kind::whole,
                .of_pair = false},
               {.name = "queue_epoch",
                .value = 15,
                .high = 1e6,
                .help = "Epochs before the queue counts",
                .kind = MethodSetting::Kind::whole,
                .of_pair = false}},
          .rows = "Scores (m,K), cosines with K prototypes",
          .make = [](const MethodSetup& setup) -> std::unique_ptr<PairObjective> {
            const SwavSettings settings{.temperature = setup.number("temperature"),
                                        .epsilon = setup.number("epsilon"),
                                        .rounds = setup.whole("rounds"),
                                        .queue = setup.whole("queue"),
                                        .queue_epoch = setup.whole("queue_epoch"),
                                        .batch = setup.settings.train.batch};
            check<ValueError>(settings.queue % settings.batch == 0, "swav.queue is a multiple of train.batch, but they are ",
                              settings.queue, " and ", settings.batch);
            return std::make_unique<SwavObjective>(settings, setup.settings.model.dim, setup.dtype, setup.device);
          }};
}

}  // namespace mec
