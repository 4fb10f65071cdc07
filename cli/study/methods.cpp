#include <algorithm>

#include "mec/cli/commands.h"
#include "mec/cli/program.h"
#include "mec/cli/study/runs.h"
#include "mec/ssl/methods/methods.h"

namespace mec::cli {

namespace {

struct MethodsCommand {
  StudyOptions study;
  std::vector<std::string> methods;
  std::vector<std::string> own;  // METHOD:section.key=value
};

std::vector<std::string> names_of_methods() {
  std::vector<std::string> names;
  for (const Method& method : methods()) names.push_back(method.name);
  return names;
}

std::vector<std::string> assignments_for(const std::string& method, const std::vector<std::string>& own) {
  std::vector<std::string> assignments;
  for (const std::string& text : own) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) throw UsageError(concat("--set-for takes METHOD:section.key=value, but got '", text, "'"));
    find_method(text.substr(0, colon));
    if (text.substr(0, colon) == method) assignments.push_back(text.substr(colon + 1));
  }
  return assignments;
}

void run_methods(const MethodsCommand& command) {
  StudyRuns runs(command.study);
  for (const std::string& method : command.methods) {  // wrong settings throw before the first run
    runs.settings(assignments_for(method, command.own), method);
  }
  StudyTable table({"method"}, {"loss", "embedding_std"});
  Curves curves;
  for (const char* score : {"linear probe", "kNN"}) {
    for (const char* cost : {"seconds of training", "most tensor memory, MiB"}) {
      curves.push_back({.title = score, .x_label = cost, .y_label = "test accuracy, %", .series = {}});
    }
  }
  for (const std::string& method : command.methods) {
    const auto variant = runs.train(method, runs.settings(assignments_for(method, command.own), method));
    table.add({method}, variant);
    double seconds = 0, mib = 0, count = 0;
    for (const StudyRun& run : variant) {
      if (!run.failure.empty()) continue;
      seconds += run.seconds;
      mib += run.tensor_mib;
      ++count;
    }
    for (std::size_t i = 0; i < curves.size(); ++i) {
      const double x = (i % 2 == 0 ? seconds : mib) / std::max(count, 1.0);
      add_point(curves[i], method, x, variant, [i](const StudyRun& run) { return 100 * (i < 2 ? run.linear : run.knn); });
    }
  }
  write_study(runs, "methods", table, curves);
}

}  // namespace

void add_study_methods(Command study) {
  const auto command = std::make_shared<MethodsCommand>();
  command->methods = names_of_methods();
  Command app = study.add_subcommand("methods", "Several methods on the same budget: accuracy against time and memory");
  add_study_options(app, command->study, "study-methods");
  app.add_option("--methods", command->methods, "Methods to compare; CONFIG overrides their defaults")
      .list()
      .one_of(names_of_methods())
      .show_default();
  app.add_option("--set-for", command->own, "METHOD:section.key=value: a setting of one method's runs; may be repeated")
      .repeated()
      .value_name("M:K=V");
  app.run([command] { run_methods(*command); });
}

}  // namespace mec::cli
