// What an image folder takes, what it passes over and what it refuses.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <sstream>

#include "data/fixtures.h"
#include "mec/data/decoders/image_formats.h"
#include "mec/data/formats/open_dataset.h"

using namespace mec;
using namespace mec::test;

namespace {

namespace fs = std::filesystem;

// A folder of images of one gray pixel each, by which they are known.
struct Fixture {
  TempFolder folder;

  void image(const std::string& name, std::uint8_t gray) const {
    write_bytes(folder / name, make_png(1, 1, {gray}));
  }
  void link(const std::string& name, const fs::path& target) const {
    fs::create_directories((folder / name).parent_path());
    fs::create_symlink(target, folder / name);
  }
  DatasetPtr open(const std::string& below = "") const {
    return open_dataset({.path = folder / below, .channels = 1});
  }
  std::vector<int> grays(const std::string& below = "") const {
    std::vector<int> values;
    const DatasetPtr data = open(below);
    for (std::int64_t i = 0; i < data->size(); ++i) values.push_back(data->read(i).pixels.at(0));
    return values;
  }
  void refuses(const std::string& why, const std::string& below = "") const {
    CHECK_THROWS_WITH_AS(open(below), doctest::Contains(why.c_str()), IoError);
  }
  // The data set's one note, without its path.
  std::string note(const std::string& below = "") const {
    const auto notes = open(below)->info().notes;
    REQUIRE(notes.size() == 1);
    const std::string path = (folder / below).string() + ": passed over ";
    REQUIRE(notes[0].starts_with(path));
    return notes[0].substr(path.size());
  }
};

using Grays = std::vector<int>;

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "links to folders and files are followed, in the order of their own names") {
  image("elsewhere/0.png", 10);
  image("elsewhere/deep/1.png", 11);
  image("data/a/0.png", 1);
  image("data/a/z.png", 2);
  link("data/a/more", "../../elsewhere");
  link("data/a/one.png", "../../elsewhere/0.png");
  link("data/a/two.png", "one.png");  // the same file again, by way of the first link
  link("data/b", "../elsewhere");
  CHECK(grays("data") == Grays{1, 10, 11, 10, 10, 2, 10, 11});
  CHECK(open("data")->info().class_names == std::vector<std::string>{"a", "b"});
  CHECK(open("data")->label(5) == 0);
  CHECK(open("data")->label(6) == 1);
  CHECK(open("data")->info().notes.empty());
}

TEST_CASE_FIXTURE(Fixture, "a split, and the data set itself, may be links") {
  image("store/x/bee/1.png", 7);
  link("data/train", "../store/x");
  link("here", "data");
  CHECK(grays("here") == Grays{7});
}

TEST_CASE_FIXTURE(Fixture, "a link that leads back to a folder it lies in is refused by its name") {
  image("data/a/0.png", 1);
  image("data/b/0.png", 2);
  SUBCASE("to its own folder") {
    link("data/a/deep/loop", ".");
    refuses("data/a/deep/loop: this link leads to '", "data");
  }
  SUBCASE("to the data set") {
    link("data/a/loop", "..");
    refuses("data/a/loop: this link leads to '", "data");
  }
  SUBCASE("to a folder that holds the data set") {
    link("data/a/loop", folder.path());
    refuses("data/a/loop: this link leads to '", "data");
  }
  SUBCASE("as a class") {
    link("data/loop", ".");
    refuses("data/loop: this link leads to '", "data");
  }
  SUBCASE("by way of another link") {
    link("data/a/x", "../b");
    link("data/b/y", "../a");
    refuses("data/a/x/y: this link leads to '", "data");
  }
  SUBCASE("to itself") {
    link("data/a/loop.png", "loop.png");
    refuses("data/a/loop.png: this link leads to 'loop.png': Too many levels of symbolic links",
            "data");
  }
}

TEST_CASE_FIXTURE(Fixture, "a link that leads nowhere is refused by its name") {
  image("a/0.png", 1);
  link("a/gone.png", "../not/here.png");
  refuses("a/gone.png: this link leads to '../not/here.png': No such file");
  fs::remove(folder / "a/gone.png");
  link("a/more", "../elsewhere");
  refuses("a/more: this link leads to '../elsewhere': No such file");
  fs::remove(folder / "a/more");
  link("a/.more", "../elsewhere");  // hidden: not the data set's
  CHECK(grays() == Grays{1});
}

TEST_CASE_FIXTURE(Fixture,
                  "hidden files and folders, and those of systems, are left out at every depth") {
  image("a/0.png", 1);
  image("a/._0.png", 9);
  image("a/.ipynb_checkpoints/0-checkpoint.png", 9);
  image("a/deep/.ipynb_checkpoints/1-checkpoint.png", 9);
  image("a/deep/1.png", 2);
  image(".cache/2.png", 9);
  image("__MACOSX/a/0.png", 9);
  write_bytes(folder / "a/.DS_Store", "x");
  CHECK(grays() == Grays{1, 2});
  CHECK(open()->info().class_names == std::vector<std::string>{"a"});
  CHECK(note() ==
        "2 folder .ipynb_checkpoints (hidden), 1 file (hidden), 1 folder .cache (hidden), "
        "1 folder __MACOSX (hidden)");
}

TEST_CASE_FIXTURE(
    Fixture, "a note counts by extension, in either case, what was passed over, with the reason") {
  image("a/x.png", 1);
  image("a/X.PNG", 2);
  image("b/y.Png", 3);
  for (const char* name : {"a/1.txt", "a/2.TXT", "b/3.txt", "b/photo.HEIC", "b/README"}) {
    write_bytes(folder / name, "x");
  }
  REQUIRE(::mkfifo((folder / "a/pipe.png").c_str(), 0600) == 0);
  CHECK(grays() == Grays{2, 1, 3});
  const ImageFormat& heif = *find_image_format("x.heic");
  CHECK(note() ==
        concat("3 .txt (not an image by its name), 1 .heic (this build reads no HEIF: ", heif.note,
               "), 1 .png (no regular file), 1 without extension (not an image by its name)"));
}

TEST_CASE_FIXTURE(Fixture, "a note of many kinds names eight and counts the rest") {
  image("a/x.png", 1);
  for (int i = 0; i < 30; ++i) write_bytes(folder / concat("a/x.", 100 + i), "x");
  const std::string text = note();
  CHECK(text.find("1 .107 (not an image by its name), and 22 of other kinds") != std::string::npos);
  CHECK(text.find(".108") == std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a class without images is no class, and the note says so") {
  image("ant/x.png", 1);
  fs::create_directories(folder / "bee");
  write_bytes(folder / "cat/notes.txt", "x");
  image("dog/deep/x.png", 4);
  CHECK(open()->info().class_names == std::vector<std::string>{"ant", "dog"});
  CHECK(open()->label(1) == 1);
  CHECK(note() ==
        "1 .txt (not an image by its name), 1 folder bee (no images to read in it), "
        "1 folder cat (no images to read in it)");
}

TEST_CASE_FIXTURE(
    Fixture, "every extension of a format that this build reads is taken, and content decides") {
  int files = 0;
  for (const ImageFormat& format : image_formats()) {
    if (!format.is_read()) continue;
    std::istringstream extensions{std::string(format.extensions)};
    for (std::string extension; extensions >> extension; ++files) {
      image(concat("a/", files, extension), static_cast<std::uint8_t>(files));
    }
  }
  const std::vector<int> values = grays();
  CHECK(std::set<int>(values.begin(), values.end()).size() == static_cast<std::size_t>(files));
  CHECK(open()->info().notes.empty());
}

TEST_CASE_FIXTURE(Fixture, "a folder that may not be read is an error with its name") {
  image("a/x.png", 1);
  image("a/locked/y.png", 2);
  fs::permissions(folder.path(), fs::perms::all);
  fs::permissions(folder / "a/locked", fs::perms::none);
  const bool is_root = ::geteuid() == 0;  // whom permissions do not keep out
  if (is_root) REQUIRE(::seteuid(65534) == 0);
  std::error_code ignored;
  const bool reachable = fs::exists(folder / "a/x.png", ignored);  // not in a root's own TMPDIR
  std::string said;
  try {
    open();
  } catch (const IoError& error) {
    said = error.what();
  }
  if (is_root) REQUIRE(::seteuid(0) == 0);
  fs::permissions(folder / "a/locked", fs::perms::owner_all);
  if (!reachable) return;
  CHECK(said.find("a/locked") != std::string::npos);
  CHECK(said.find("Permission denied") != std::string::npos);
}
