#include "demix/evaluate/item_list.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

using Tasks = std::vector<std::string>;

class ItemListTest : public testing::Test {
 protected:
  auto read(const std::string& text, const Tasks& tasks) {
    write_file_atomically(folder_.path() / "items.txt", text);
    return read_item_list(folder_.path() / "items.txt", tasks);
  }
  std::string message(const std::string& text, const Tasks& tasks) {
    try {
      read(text, tasks);
    } catch (const Error& error) {
      const std::string found = error.what();
      return found.substr(found.find("items.txt"));
    }
    return "no error";
  }
  TemporaryFolder folder_;
};

TEST_F(ItemListTest, LinesNameTasksAndIds) {
  const auto items = read("a\t1\r\n\nb\tx/2\na\t3", {"a", "b"});
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items.at("a").size(), 2u);
  EXPECT_TRUE(items.at("b").at("x/2").ends_with("items.txt:3"));
}

TEST_F(ItemListTest, IdsAloneAreTheOnlyTasks) {
  EXPECT_EQ(read("1\n2\n", {"a"}).at("a").size(), 2u);
  EXPECT_EQ(message("a\t1\n2\n", {"a", "b"}),
            "items.txt:2: expected task<TAB>id, since 2 tasks are evaluated; found '2'");
}

TEST_F(ItemListTest, OtherTasksAndTasksWithoutItemsAreRefused) {
  EXPECT_EQ(message("c\t1\n", {"a", "b"}),
            "items.txt:1: task 'c' is not evaluated; expected one of a, b");
  EXPECT_EQ(message("a\t1\n", {"a", "b"}),
            "items.txt: names no item of task b; add some, or leave the task out");
  EXPECT_EQ(message("", {"a"}),
            "items.txt: names no item of task a; add some, or leave the task out");
}

}  // namespace
}  // namespace demix
