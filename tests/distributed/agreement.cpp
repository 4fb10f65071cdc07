// What ranks agree on, and how they wait for the first one.
#include "mec/distributed/agreement.h"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "mec/distributed/launcher.h"
#include "mec/distributed/threads.h"

using namespace mec;

TEST_CASE("every rank has the texts of all, in the order of ranks") {
  for (const int size : {1, 2, 4}) {
    run_ranks(size, [&](const CommunicatorPtr& ranks) {
      const auto text_of = [](int rank) {
        return rank == 1 ? "" : std::string(static_cast<std::size_t>(3 * rank), 'x') + "ä\n";
      };
      const std::vector<std::string> all = gather_texts(text_of(ranks->rank()), *ranks);
      check<ValueError>(std::ssize(all) == size, "a text of each");
      for (int rank = 0; rank < size; ++rank)
        check<ValueError>(all[static_cast<std::size_t>(rank)] == text_of(rank), "as it was given");
      for (const std::string& text : gather_texts("", *ranks)) check<ValueError>(text.empty(), "also where all are empty");
    });
  }
}

TEST_CASE("ranks that are told different things are refused, with both") {
  run_ranks(3, [](const CommunicatorPtr& ranks) { check_same({"a = 1", "b = 2"}, "train one run", *ranks); });
  CHECK_THROWS_WITH_AS(run_ranks(3,
                                 [](const CommunicatorPtr& ranks) {
                                   check_same({"a = 1", concat("b = ", ranks->rank() / 2)}, "train one run", *ranks);
                                 }),
                       "processes that are started together train one run, but this one has b = 1, and the first one b = 0; "
                       "MEC_PROCESSES=1 makes each a run of its own",
                       ValueError);
}

TEST_CASE("the first rank works alone, and the others wait until it is done") {
  for (const int size : {1, 3}) {
    int done = 0;
    run_ranks(size, [&](const CommunicatorPtr& ranks) {
      on_first_rank(*ranks, [&](const AtWork& at_work) {
        check<ValueError>(ranks->rank() == 0, "the first rank");
        for (int piece = 0; piece < 6; ++piece) {
          std::this_thread::sleep_for(std::chrono::milliseconds(200));
          at_work();
        }
        ++done;
      });
      check<ValueError>(done == 1, "done once, before any goes on");
      check<ValueError>(ranks->broadcast(std::int64_t{7 + ranks->rank()}) == 7, "no message is left over");
    });
  }
}

// Run by mpirun, with a patience of two seconds.
TEST_SUITE("impatient" * doctest::skip()) {
  TEST_CASE("the others wait for longer than their patience, where the first one is at work") {
    const CommunicatorPtr ranks = join_processes();
    on_first_rank(*ranks, [&](const AtWork& at_work) {
      for (int piece = 0; piece < 10; ++piece) {
        std::this_thread::sleep_for(std::chrono::milliseconds(400));
        at_work();
      }
    });
  }
}
