#include "demix/corpus/lines.h"

#include <vector>

#include "demix/corpus/test_files.h"

namespace demix {
namespace {

class Lines : public FolderTest {
 protected:
  std::vector<std::string> lines(const std::string& name, int64_t max_line_bytes = 1 << 20) {
    LineReader reader(folder_ / name, max_line_bytes);
    std::vector<std::string> result;
    while (reader.next()) result.emplace_back(reader.line());
    EXPECT_EQ(reader.file_bytes(),
              static_cast<int64_t>(std::filesystem::file_size(folder_ / name)));
    return result;
  }
};

TEST_F(Lines, LineEndsAndAByteOrderMarkAreNotPartOfALine) {
  write("a", "\xEF\xBB\xBFone\r\n\ntwo\n\r\nlast");
  EXPECT_EQ(lines("a"), (std::vector<std::string>{"one", "", "two", "", "last"}));
  write("a", "one\n");
  EXPECT_EQ(lines("a"), std::vector<std::string>{"one"});
  write("a", "");
  EXPECT_TRUE(lines("a").empty());
}

TEST_F(Lines, CompressedFilesGiveTheSameLinesAlsoInSeveralParts) {
  std::string text, second = "more\n";
  std::vector<std::string> expected;
  // Longer than the buffers, with lines across their borders.
  for (int i = 0; i < 20'000; ++i) {
    expected.push_back(fmt::format("line {} {}", i, std::string(static_cast<size_t>(i % 90), 'x')));
    text += expected.back() + "\n";
  }
  expected.push_back("more");
  write("a", text + second);
  write("b.gz", gzip(text) + gzip(second));
  write("c.zst", zstd(text) + zstd("") + zstd(second));
  write("d.GZ", gzip(text + second) + std::string(1000, '\0'));
  for (const char* name : {"a", "b.gz", "c.zst", "d.GZ"}) EXPECT_EQ(lines(name), expected) << name;
}

TEST_F(Lines, ALineOfTheLimitPassesAndALongerOneIsNamed) {
  write("a", "short\n" + std::string(1'000'000, 'x') + "\nshort\n");
  EXPECT_EQ(lines("a", 1'000'000)[1].size(), 1'000'000u);
  const std::string error = error_of([&] { lines("a", 999'999); });
  EXPECT_MENTIONS(error, "a:2: a line of more than 999999 bytes");
  EXPECT_MENTIONS(error, "max_document_bytes");
}

TEST_F(Lines, AnEndlessLineIsRefusedBeforeItIsRead) {
  // 64 MiB of zeros in a few kilobytes.
  write("a.zst", zstd(std::string(1 << 26, 'x')));
  EXPECT_MENTIONS(error_of([&] { lines("a.zst", 1000); }), "a line of more than 1000 bytes");
}

TEST_F(Lines, TruncatedCompressedFilesAreNamed) {
  const std::string text(100'000, 'x');
  for (const std::string& whole : {gzip(text + "\n" + text), gzip("")}) {
    for (size_t size : {size_t{0}, size_t{5}, whole.size() / 2, whole.size() - 1}) {
      write("a.gz", whole.substr(0, size));
      EXPECT_MENTIONS(error_of([&] { lines("a.gz"); }), "a.gz: the gzip data end early");
    }
  }
  const std::string whole = zstd(text + "\n" + text);
  for (size_t size : {size_t{0}, size_t{2}, whole.size() / 2, whole.size() - 1}) {
    write("a.zst", whole.substr(0, size));
    EXPECT_MENTIONS(error_of([&] { lines("a.zst"); }), "a.zst: the zstd data end early");
  }
}

TEST_F(Lines, DamagedCompressedFilesAreNamed) {
  write("a.gz", "this is not gzip data");
  EXPECT_MENTIONS(error_of([&] { lines("a.gz"); }), "damaged gzip data");
  write("a.gz", gzip("text") + "rubbish");
  EXPECT_MENTIONS(error_of([&] { lines("a.gz"); }), "damaged gzip data");
  write("a.zst", "this is not zstd data");
  EXPECT_MENTIONS(error_of([&] { lines("a.zst"); }), "damaged zstd data");
}

TEST_F(Lines, AMissingFileAndAFolderAreNamed) {
  EXPECT_MENTIONS(error_of([&] { lines("missing"); }), "missing: cannot be opened");
  std::filesystem::create_directory(folder_ / "folder");
  EXPECT_MENTIONS(error_of([&] { lines("folder"); }), "a folder, expected a file");
}

TEST(FormatSuffix, IsTheOneBeforeCompression) {
  EXPECT_EQ(format_suffix("x/a.jsonl"), ".jsonl");
  EXPECT_EQ(format_suffix("a.JSONL.GZ"), ".jsonl");
  EXPECT_EQ(format_suffix("a.b.txt.zst"), ".txt");
  EXPECT_EQ(format_suffix("a"), "");
}

}  // namespace
}  // namespace demix
