// No command is without a table of its options.
#include "support/option_rows.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "mec/ssl/methods.h"

using namespace mec;
using namespace mec::test;

TEST_CASE("every command has its options tested in one of the files options_of_…") {
  std::set<std::vector<std::string>> tested{{"pretrain"},
                                            {"embed"},
                                            {"eval", "knn"},
                                            {"eval", "linear"},
                                            {"eval", "table"},
                                            {"loss", "mec"},
                                            {"coding", "length"},
                                            {"coding", "mixture"},
                                            {"coding", "rate-reduction"},
                                            {"coding", "kl"},
                                            {"coding", "packing"},
                                            {"coding", "simplicity"},
                                            {"study", "epsilon"},
                                            {"study", "order"},
                                            {"study", "methods"},
                                            {"study", "noise"},
                                            {"tsne"},
                                            {"bench", "step"},  // these and info: bench.cpp
                                            {"bench", "loss"},
                                            {"bench", "ops"},
                                            {"info"}};
  for (const Method& method : methods()) tested.insert({"loss", method.name});
  for (const auto& command : commands_below({})) {
    CHECK_MESSAGE(tested.contains(command), command.front(), " ", command.back());
  }
}
