// The main function of all test programs. Each test case is named on stderr as it begins, with its
// time as it ends, so that one that hangs or takes long is known while it does.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cstdio>

namespace {

struct Names : doctest::IReporter {
  explicit Names(const doctest::ContextOptions&) {}

  void test_case_start(const doctest::TestCaseData& test) override {
    std::fprintf(stderr, "%s:%u: %s\n", test.m_file.c_str(), test.m_line, test.m_name);
  }
  void test_case_end(const doctest::CurrentTestCaseStats& test) override {
    std::fprintf(stderr, "    %.2f s\n", test.seconds);
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

DOCTEST_REGISTER_LISTENER("names", 1, Names);

}  // namespace
