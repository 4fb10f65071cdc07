#include "mec/cli/commands.h"
#include "mec/cli/study/runs.h"

namespace mec::cli {

namespace {

struct EpsilonCommand {
  StudyOptions study;
  std::vector<double> eps2{16, 32, 64, 128, 256, 512, 1024};
  std::vector<std::string> policies{"warn", "adapt", "symmetrize"};
};

// The settings of a policy for a series that would not converge: none (warn), a larger ε² (adapt),
// or a symmetric matrix (symmetrize).
std::vector<std::string> assignments_of(const std::string& policy, double eps2) {
  return {concat("mec.eps2=", eps2), concat("mec.on_divergence=", policy == "adapt" ? "adapt" : "warn"),
          concat("mec.symmetrize=", policy == "symmetrize" ? "true" : "false")};
}

// None where the series diverges and does not stand for a coding length: order 4 may then give any
// number, such as 10,000 or −10,000.
std::optional<double> coding_length_of(const std::string& policy, const StudyRun& run) {
  if (policy == "warn" && run.metrics.at("spectral_norm").get<double>() >= 1) return std::nullopt;
  return run.metrics.at("coding_length").get<double>();
}

void run_epsilon(const EpsilonCommand& command) {
  StudyRuns runs(command.study);
  StudyTable table({"policy", "eps2"}, {"loss", "coding_length", "spectral_norm", "eps2_effective"});
  Curves curves;
  for (const auto& [title, y_label] : {std::pair{"linear probe", "test accuracy, %"},
                                       {"kNN", "test accuracy, %"},
                                       {"norm of the matrix", "‖λPZᵀ‖₂ before any remedy, last epoch"},
                                       {"coding length", "nats per batch, last epoch; warn: where ‖λPZᵀ‖₂ < 1"}}) {
    curves.push_back({.title = title, .x_label = "ε²", .y_label = y_label, .log_x = true, .series = {}});
  }
  for (const std::string& policy : command.policies) {
    for (const double eps2 : command.eps2) {
      const auto variant = runs.train(concat(policy, "-eps2-", eps2), runs.settings(assignments_of(policy, eps2), "mec"));
      table.add({policy, concat(eps2)}, variant);
      add_point(curves[0], policy, eps2, variant, [](const StudyRun& run) { return 100 * run.linear; });
      add_point(curves[1], policy, eps2, variant, [](const StudyRun& run) { return 100 * run.knn; });
      add_point(curves[2], policy, eps2, variant,
                [](const StudyRun& run) { return run.metrics.at("spectral_norm").get<double>(); });
      add_point(curves[3], policy, eps2, variant, [&](const StudyRun& run) { return coding_length_of(policy, run); });
    }
  }
  write_study(runs, "epsilon", table, curves);
}

}  // namespace

void add_study_epsilon(Command study) {
  const auto command = std::make_shared<EpsilonCommand>();
  Command app = study.add_subcommand("epsilon", "MEC for several distortions: accuracy, norm of the matrix, coding length");
  add_study_options(app, command->study, "study-epsilon");
  app.add_option("--eps2", command->eps2, "Distortions").list().positive().show_default();
  app.add_option("--policies", command->policies,
                 "warn: the series as it is; adapt: λ lowered where the norm reaches 1; symmetrize: (C + Cᵀ)/2 for C")
      .list()
      .one_of({"warn", "adapt", "symmetrize"})
      .show_default();
  app.run([command] { run_epsilon(*command); });
}

}  // namespace mec::cli
