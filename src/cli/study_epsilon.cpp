#include "mec/cli/commands.h"
#include "mec/cli/study_runs.h"

namespace mec::cli {

namespace {

struct EpsilonCommand {
  StudyOptions study;
  std::vector<double> eps2{16, 32, 64, 128, 256, 512, 1024};
  std::vector<std::string> policies{"warn", "adapt", "symmetrize"};
};

// What keeps the series in hand where it would not converge: nothing, a larger ε², or a symmetric matrix.
std::vector<std::string> assignments_of(const std::string& policy, double eps2) {
  return {concat("mec.eps2=", eps2), concat("mec.on_divergence=", policy == "adapt" ? "adapt" : "warn"),
          concat("mec.symmetrize=", policy == "symmetrize" ? "true" : "false")};
}

// Those whose series stands for a coding length; what order 4 gives elsewhere is some number, 10,000 or −10,000.
std::vector<StudyRun> converging(std::vector<StudyRun> runs) {
  std::erase_if(runs,
                [](const StudyRun& run) { return run.failure.empty() && run.metrics.at("spectral_norm").get<double>() >= 1; });
  return runs;
}

void run_epsilon(const EpsilonCommand& command) {
  StudyRuns runs(command.study);
  StudyTable table({"policy", "eps2"}, {"loss", "coding_length", "spectral_norm", "eps2_effective"});
  struct Panel {
    const char* title;
    const char* y_label;
    std::function<double(const StudyRun&)> value;
  };
  const auto metric = [](const char* name) {
    return [name](const StudyRun& run) { return run.metrics.at(name).get<double>(); };
  };
  const Panel panels[] = {{"linear probe", "test accuracy, %", [](const StudyRun& run) { return 100 * run.linear; }},
                          {"kNN", "test accuracy, %", [](const StudyRun& run) { return 100 * run.knn; }},
                          {"norm of the matrix", "‖λPZᵀ‖₂ before any remedy, last epoch", metric("spectral_norm")},
                          {"coding length", "nats per batch, last epoch; warn: where ‖λPZᵀ‖₂ < 1", metric("coding_length")}};
  Curves curves;
  for (const Panel& panel : panels) {
    curves.push_back({.title = panel.title, .x_label = "ε²", .y_label = panel.y_label, .log_x = true, .series = {}});
  }
  for (const std::string& policy : command.policies) {
    for (const double eps2 : command.eps2) {
      const auto variant = runs.train(concat(policy, "-eps2-", eps2), runs.settings(assignments_of(policy, eps2), "mec"));
      table.add({policy, concat(eps2)}, variant);
      for (std::size_t i = 0; i < curves.size(); ++i) {
        const bool length = &panels[i] == &panels[std::size(panels) - 1];
        add_point(curves[i], policy, eps2, length && policy == "warn" ? converging(variant) : variant, panels[i].value);
      }
    }
  }
  write_study(runs, "epsilon", table, curves);
}

}  // namespace

void add_study_epsilon(CLI::App& study) {
  const auto command = std::make_shared<EpsilonCommand>();
  CLI::App* app = study.add_subcommand("epsilon", "MEC for several distortions: accuracy, norm of the matrix, coding length");
  add_study_options(*app, command->study, "study-epsilon");
  app->add_option("--eps2", command->eps2, "Distortions")->delimiter(',')->check(CLI::PositiveNumber)->capture_default_str();
  app->add_option("--policies", command->policies,
                  "warn: the series as it is; adapt: λ lowered where the norm reaches 1; symmetrize: (C + Cᵀ)/2 for C")
      ->delimiter(',')
      ->check(CLI::IsMember({"warn", "adapt", "symmetrize"}))
      ->capture_default_str();
  app->callback([command] { run_epsilon(*command); });
}

}  // namespace mec::cli
