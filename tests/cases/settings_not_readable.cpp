// Names of folders that TOML cannot hold as they are: settings.toml is read again by all that
// follows a run.
#include <doctest/doctest.h>

#include <algorithm>

#include "support/shell.h"

using namespace mec::test;

namespace {

// As the shell's printf takes it, for the shell to make the very bytes.
ProgramResult train_in(const RunFixture& fixture, const std::string& name, const std::string& then = "") {
  return run_shell(fixture.folder, "folder=\"$(printf '" + name + "x')\"; folder=\"${folder%x}\"\n" +
                                       "cp -r data \"$folder\"\nrun pretrain config.toml --threads 1 --out r "
                                       "--set \"data.path='$folder'\" || exit $?\n" +
                                       then);
}

}  // namespace

TEST_CASE("a folder whose name has control characters, quotes or any letters is found again from settings.toml") {
  const RunFixture fixture;
  write_bytes(fixture.folder / "relative.toml", tiny_config("data"));
  const std::string evaluate = "run eval knn r --k 3 --no-baselines --threads 1 && run pretrain --threads 1 --resume r";
  for (const std::string name : {"a\\nb", "a\\tb", "a\\001b\\033[31m", "a\\177b", "a\\\\nb", "a\"b",
                                 "\\303\\251\\346\\227\\245", "\\302\\205c1", "end\\n"}) {
    CAPTURE(name);
    std::filesystem::remove_all(fixture.at("r"));
    // From a folder of that name, the path being relative: the quoting of --set is not the
    // question.
    const ProgramResult result =
        run_shell(fixture.folder, "folder=\"$(printf '" + name + "x')\"; folder=\"${folder%x}\"\n" +
                                      "mkdir \"$folder\"; cp -r data \"$folder\"; cd \"$folder\"\n" +
                                      "run pretrain ../relative.toml --threads 1 --out ../r && cd .. && " + evaluate);
    INFO(result.err);
    CHECK(result.status == 0);
    CHECK(result.out.find("training has ended already") != std::string::npos);
  }
}

TEST_CASE("a folder whose name is not UTF-8 is refused before training") {
  const RunFixture fixture;
  for (const std::string name : {"a\\377b", "\\303", "\\355\\240\\200", "\\300\\257"}) {
    CAPTURE(name);
    const ProgramResult result = train_in(fixture, name);
    CHECK(result.status == 1);
    CHECK(std::ranges::count(result.err, '\n') == 1);
    CHECK(result.err.starts_with("error: data.path: '"));
    CHECK(result.err.find("\\x") != std::string::npos);
    CHECK(result.err.find("is not UTF-8, which settings.toml has to be; rename the folder") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(fixture.at("r")));
  }
}

TEST_CASE("names with control characters are shown escaped, on one line") {
  const RunFixture fixture;
  const ProgramResult result =
      run_shell(fixture.folder, "run eval knn \"$(printf 'no\\nsuch\\033[2J\\377')\" --data data --threads 1");
  CHECK(result.status == 1);
  CHECK(result.err == "error: cannot read no\\nsuch\\x1b[2J\\xff: no such file\n");
  const ProgramResult wrote = run_shell(fixture.folder, "run pretrain config.toml --threads 1 --out \"$(printf 'r\\nx')\"");
  CHECK(wrote.out.ends_with("wrote r\\nx\n"));
  CHECK(std::filesystem::exists(fixture.folder / "r\nx/settings.toml"));
}
