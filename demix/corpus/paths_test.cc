#include "demix/corpus/paths.h"

#include "demix/corpus/test_files.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

bool is_text(const fs::path& path) { return path.extension() == ".txt"; }

class Paths : public FolderTest {
 protected:
  // The files that `pattern` below the test's folder stands for, relative to it.
  std::vector<std::string> found(const std::string& pattern) {
    std::vector<std::string> names;
    for (const fs::path& path : matching_files(folder_ / pattern, is_text)) {
      names.push_back(path.lexically_relative(folder_).string());
    }
    return names;
  }
};

using Names = std::vector<std::string>;

TEST_F(Paths, FilesFoldersAndGlobsAreFoundInOrder) {
  for (const char* name :
       {"b.txt", "a.txt", "x/c.txt", "x/y/d.txt", "x/y/e.csv", ".hidden.txt", "x/.h/f.txt"}) {
    write(name, "");
  }
  EXPECT_EQ(found("a.txt"), Names{"a.txt"});
  EXPECT_EQ(found("x/y/e.csv"), Names{"x/y/e.csv"});
  EXPECT_EQ(found(""), (Names{"a.txt", "b.txt", "x/c.txt", "x/y/d.txt"}));
  EXPECT_EQ(found("x"), (Names{"x/c.txt", "x/y/d.txt"}));
  EXPECT_EQ(found("*.txt"), (Names{"a.txt", "b.txt"}));
  EXPECT_EQ(found("[b-z].txt"), Names{"b.txt"});
  EXPECT_EQ(found("x/*"), (Names{"x/c.txt", "x/y/d.txt"}));
  EXPECT_EQ(found("*/?.txt"), Names{"x/c.txt"});
  EXPECT_EQ(found("**/*.txt"), (Names{"a.txt", "b.txt", "x/c.txt", "x/y/d.txt"}));
  EXPECT_EQ(found("x/**/*.csv"), Names{"x/y/e.csv"});
  EXPECT_TRUE(found("missing.txt").empty());
  EXPECT_TRUE(found("missing/*.txt").empty());
  EXPECT_TRUE(found("*.parquet").empty());
}

TEST_F(Paths, AFileWithTheNameOfAGlobIsThatFile) {
  write("a[1].txt", "");
  write("a1.txt", "");
  EXPECT_EQ(found("a[1].txt"), Names{"a[1].txt"});
}

TEST_F(Paths, LinksThatLeadInCirclesEnd) {
  write("x/a.txt", "");
  fs::create_directory_symlink(folder_ / "x", folder_ / "x/self");
  fs::create_symlink(folder_ / "x/a.txt", folder_ / "x/b.txt");
  EXPECT_EQ(found("x"), (Names{"x/a.txt", "x/b.txt"}));
  EXPECT_EQ(found("**/a.txt"), Names{"x/a.txt"});
  fs::create_symlink(folder_ / "loop.txt", folder_ / "loop.txt");
  EXPECT_TRUE(found("loop.txt").empty());
  EXPECT_TRUE(found("loop.txt/*.txt").empty());
}

TEST_F(Paths, ALinkToAFileThatIsNotThereIsNamed) {
  write("x/a.txt", "");
  fs::create_symlink(folder_ / "gone", folder_ / "x/b.txt");
  EXPECT_MENTIONS(error_of([&] { found("x"); }), "x/b.txt: a link that leads to no file");
}

}  // namespace
}  // namespace demix
