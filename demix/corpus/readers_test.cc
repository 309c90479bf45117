#include "demix/corpus/readers.h"

#include <map>
#include <vector>

#include "demix/core/files.h"
#include "demix/corpus/test_files.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

class Readers : public FolderTest {
 protected:
  std::vector<std::string> texts(const fs::path& path, const ReaderOptions& options = {}) {
    const auto reader = open_documents(path, options);
    std::vector<std::string> result;
    while (const auto text = reader->next()) result.emplace_back(*text);
    skipped_ = reader->skipped();
    return result;
  }
  std::string refusal(const std::string& content, const std::string& name = "a.jsonl") {
    const fs::path path = write(name, content);
    return error_of([&] { texts(path); });
  }

  int64_t skipped_ = 0;
};

using Texts = std::vector<std::string>;
const fs::path kFixtures = fs::path(DEMIX_SOURCE_DIR) / "tests/data/corpus";

TEST_F(Readers, JsonLinesGiveTheTextFieldOfEachLine) {
  const std::string content =
      "{\"text\": \"a \\\"b\\\"\\n\\u00e9 \\ud83d\\ude00\"}\r\n\n  \n{\"id\": 1, \"text\": "
      "\"\"}\n{\"text\":\"日本\"}";
  const Texts expected = {"a \"b\"\né \U0001F600", "", "日本"};
  EXPECT_EQ(texts(write("a.jsonl", content)), expected);
  EXPECT_EQ(texts(write("a.json", content)), expected);
  EXPECT_EQ(texts(write("a.jsonl.gz", gzip(content))), expected);
  EXPECT_EQ(texts(write("a.jsonl.zst", zstd("\xEF\xBB\xBF" + content))), expected);
  ReaderOptions body;
  body.text_field = "body";
  EXPECT_EQ(texts(write("b.jsonl", "{\"text\":1,\"body\":\"x\"}\n"), body), Texts{"x"});
}

TEST_F(Readers, AReaderKnowsItsLineAndItsBytes) {
  const fs::path path = write("a.jsonl", "{\"text\": \"a\"}\n\n{\"text\": \"b\"}\n");
  const auto reader = open_documents(path, {});
  reader->next();
  EXPECT_EQ(reader->where(), path.string() + ":1");
  reader->next();
  EXPECT_EQ(reader->where(), path.string() + ":3");
  EXPECT_EQ(reader->next(), std::nullopt);
  EXPECT_EQ(reader->file_bytes(), 29);
}

TEST_F(Readers, InvalidJsonIsNamedByLine) {
  for (const char* line : {"{\"text\": \"a\"",
                           "{\"text\": \"a\" \"b\": 1}",
                           "{\"text\": \"a\"} x",
                           "{\"text\": \"a\", \"b\": tru}",
                           "{\"text\": \"a\nb\"}",
                           "{\"text\": \"\\q\"}",
                           "{\"text\": \"\\u12\"}",
                           "{'text': 'a'}",
                           "text"}) {
    EXPECT_MENTIONS(refusal(std::string("{\"text\": \"fine\"}\n") + line + "\n"),
                    "a.jsonl:2: not valid JSON");
  }
  EXPECT_MENTIONS(refusal(std::string(100'000, '[')), "a.jsonl:1: not valid JSON");
}

TEST_F(Readers, AMissingOrForeignFieldIsNamedWithThoseThereAre) {
  const std::string missing = refusal("{\"id\": 1, \"body\": \"x\"}\n");
  EXPECT_MENTIONS(missing, "a.jsonl:1: no key 'text'; the keys are: id, body;");
  EXPECT_MENTIONS(missing, "text_field");
  EXPECT_MENTIONS(refusal("{\"text\": 5}"), "'text' is a number, expected a string");
  EXPECT_MENTIONS(refusal("{\"text\": [\"a\"]}"), "'text' is an array, expected a string");
  EXPECT_MENTIONS(refusal("[1]"), "an array, expected an object");
}

TEST_F(Readers, InvalidUtf8IsNamedByLineAndByte) {
  const std::string error = refusal("{\"text\": \"fine\"}\n{\"text\": \"Caf\xe9\"}\n");
  EXPECT_MENTIONS(error, "a.jsonl:2: invalid UTF-8 at byte 14 (0xE9)");
  EXPECT_MENTIONS(error, "replace or skip");
  EXPECT_MENTIONS(refusal("{\"text\": \"a\", \"b\": \"\xff\"}"),
                  "a.jsonl:1: invalid UTF-8 at byte 21");
  EXPECT_MENTIONS(refusal("\xff\xfe{\0\"\0"), "looks like UTF-16");
}

TEST_F(Readers, ALoneSurrogateIsInvalidUtf8OfItsLine) {
  for (const char* text :
       {"\\ud800", "x\\uDBFFy", "\\udc00", "\\ud800\\ud800\\udc00", "\\\\\\udfff"}) {
    EXPECT_MENTIONS(refusal(std::string("{\"text\": \"") + text + "\"}\n"),
                    "is half of a surrogate pair");
  }
  // An escaped backslash before "ud800" is no escape of a surrogate.
  EXPECT_EQ(texts(write("b.jsonl", "{\"text\": \"\\\\ud800\"}")), Texts{"\\ud800"});
}

TEST_F(Readers, InvalidUtf8IsReplacedAsPythonDoesOrSkipped) {
  // Python: b"..".decode("utf-8", errors="replace")
  const fs::path path =
      write("a.jsonl",
            "{\"text\": \"Caf\xe9 \xe2\x82 \xf0\x9f\x98 \xc0\xaf \xed\xa0\x80\"}\n"
            "{\"text\": \"\\ud800x\\ud83d\\ude00\"}\n{\"text\": \"fine\"}\n");
  ReaderOptions options;
  options.invalid_utf8 = InvalidUtf8::kReplace;
  EXPECT_EQ(
      texts(path, options),
      (Texts{
          "Caf\uFFFD \uFFFD \uFFFD \uFFFD\uFFFD \uFFFD\uFFFD\uFFFD", "\uFFFDx\U0001F600", "fine"}));
  EXPECT_EQ(skipped_, 0);
  options.invalid_utf8 = InvalidUtf8::kSkip;
  EXPECT_EQ(texts(path, options), Texts{"fine"});
  EXPECT_EQ(skipped_, 2);
}

TEST_F(Readers, TheTextMayLieWithinAnObjectAndNullIsEmpty) {
  ReaderOptions options;
  options.text_field = "a.b.c";
  const fs::path path =
      write("a.jsonl",
            "{\"a\": {\"b.c\": \"one\"}}\n{\"a\": {\"b\": {\"c\": \"two\"}}}\n"
            "{\"a.b.c\": \"three\", \"a\": 1}\n{\"a\": {\"b\": {\"c\": null}}}\n");
  EXPECT_EQ(texts(path, options), (Texts{"one", "two", "three", ""}));
  options.text_field = "a.c";
  EXPECT_MENTIONS(error_of([&] { texts(path, options); }), "a.jsonl:1: no key 'a.c'");
}

TEST_F(Readers, FilesThatAreOneJsonDocumentAreNamedWithTheRemedy) {
  EXPECT_MENTIONS(refusal("[{\"text\": \"x\"},\n{\"text\": \"y\"}]"), "one object per line: jq -c");
  EXPECT_MENTIONS(refusal("[{\"text\": \"x\"}]"), "an array, expected an object");
  EXPECT_MENTIONS(refusal("{\n \"text\": \"x\"\n}\n"), "one object per line: jq -c");
}

TEST_F(Readers, ATextFileIsOneDocument) {
  EXPECT_EQ(texts(write("a.txt", "\xEF\xBB\xBFone\r\ntwo\rthree\n")), Texts{"one\ntwo\rthree\n"});
  EXPECT_EQ(texts(write("a.txt.gz", gzip("x"))), Texts{"x"});
  EXPECT_EQ(texts(write("a.txt.zst", zstd("x"))), Texts{"x"});
  EXPECT_EQ(texts(write("empty.txt", "")), Texts{""});
}

TEST_F(Readers, ALongTextFileIsDividedBetweenParagraphsLinesWordsAndCharacters) {
  const auto joined = [](const Texts& pieces) {
    std::string whole;
    for (const std::string& piece : pieces) whole += piece;
    return whole;
  };
  std::string paragraphs, lines, words, characters = "x";
  for (int i = 0; i < 9000; ++i) {
    paragraphs += fmt::format("{}\n{}\n\n", i, i);
    lines += fmt::format("{} {}\n", i, i);
    words += fmt::format("{} ", i);
    characters += "\u00e4\u20ac";
  }
  for (const auto& [text, border] : std::map<std::string, std::string>{
           {paragraphs, "\n\n"}, {lines, "\n"}, {words, " "}, {characters, "\u20ac"}}) {
    const Texts pieces = texts(write("a.txt", text));
    EXPECT_EQ(joined(pieces), text);
    EXPECT_GT(pieces.size(), 1u);
    for (const std::string& piece : pieces) {
      EXPECT_LE(piece.size(), 32768u);
      EXPECT_TRUE(text == characters || piece.ends_with(border)) << piece.substr(piece.size() - 9);
    }
  }
  const std::string windows = std::string(32767, 'x') + "\r\n" + std::string(32767, 'y') + "\r\n";
  EXPECT_EQ(texts(write("a.txt.gz", gzip(windows))),
            (Texts{std::string(32767, 'x') + "\n", std::string(32767, 'y') + "\n"}));
}

TEST_F(Readers, InvalidUtf8InATextFileIsNamedByLineReplacedOrSkipped) {
  const std::string content = "one\ntwo\nCaf\xe9\n";
  EXPECT_MENTIONS(refusal(content, "a.txt"), "a.txt:3: invalid UTF-8 at byte 4 (0xE9)");
  EXPECT_MENTIONS(refusal("\xe9", "a.txt"), "a.txt:1: invalid UTF-8 at byte 1 (0xE9)");
  ReaderOptions options;
  options.invalid_utf8 = InvalidUtf8::kReplace;
  EXPECT_EQ(texts(write("a.txt", content), options), Texts{"one\ntwo\nCaf\uFFFD\n"});
  options.invalid_utf8 = InvalidUtf8::kSkip;
  EXPECT_TRUE(texts(folder_ / "a.txt", options).empty());
  EXPECT_EQ(skipped_, 1);
  const std::string first(32767, 'x');
  EXPECT_EQ(texts(write("b.txt", first + "\n\n" + content), options), Texts{first + "\n"});
  EXPECT_MENTIONS(refusal(first + "\n\n" + content, "b.txt"), "b.txt:5: invalid UTF-8 at byte 4");
}

TEST_F(Readers, ColumnsOfStringsAreReadFromParquetAndArrow) {
  for (const char* kind : {"string", "large_string", "binary", "dictionary"}) {
    for (const char* suffix : {".parquet", ".arrow"}) {
      const fs::path path = kFixtures / (std::string("texts_") + kind + suffix);
      const Texts found = texts(path);
      ASSERT_EQ(found.size(), 600u) << path;
      for (size_t i = 0; i < 600; ++i) {
        EXPECT_EQ(found[i], i == 5 || i == 7 ? "" : fmt::format("document {}", i)) << path;
      }
    }
  }
  const auto reader = open_documents(kFixtures / "texts_string.parquet", {});
  for (int i = 0; i < 300; ++i) reader->next();
  EXPECT_TRUE(reader->where().ends_with("texts_string.parquet: row 300")) << reader->where();
}

TEST_F(Readers, AColumnIsRefusedWithTheColumnsThereAre) {
  ReaderOptions options;
  options.text_field = "body";
  EXPECT_MENTIONS(error_of([&] { texts(kFixtures / "texts_string.parquet", options); }),
                  "no column 'body'; the columns are: number, text;");
  options.text_field = "number";
  EXPECT_MENTIONS(error_of([&] { texts(kFixtures / "texts_string.arrow", options); }),
                  "column 'number' is of type int64, expected strings");
}

TEST_F(Readers, InvalidUtf8InAColumnIsNamedByRow) {
  EXPECT_MENTIONS(error_of([&] { texts(kFixtures / "latin1.parquet"); }),
                  "row 2: invalid UTF-8 at byte 4 (0xE9)");
  ReaderOptions options;
  options.invalid_utf8 = InvalidUtf8::kReplace;
  EXPECT_EQ(texts(kFixtures / "latin1.parquet", options),
            (Texts{"fine", "Caf\uFFFD noir", "also fine"}));
  options.invalid_utf8 = InvalidUtf8::kSkip;
  EXPECT_EQ(texts(kFixtures / "latin1.parquet", options), (Texts{"fine", "also fine"}));
}

TEST_F(Readers, DamagedColumnFilesAreErrorsAndNeverCrash) {
  for (const char* name : {"texts_string.parquet", "texts_string.arrow", "rows_file.arrow"}) {
    const std::string whole = read_file(kFixtures / name);
    ReaderOptions options;
    if (std::string(name) == "rows_file.arrow") options.text_field = "question";
    const fs::path path = folder_ / name;
    // A stream cut between two batches looks whole, so only the other cuts must be errors.
    for (size_t size : {size_t{0}, size_t{3}, size_t{100}, whole.size() / 2}) {
      write(name, whole.substr(0, size));
      EXPECT_NE(error_of([&] { texts(path, options); }), "") << name << " " << size;
    }
    for (size_t at = 0; at < whole.size(); at += 251) {
      std::string bad = whole;
      bad[at] = static_cast<char>(~bad[at]);
      write(name, bad);
      error_of([&] { texts(path, options); });
    }
  }
}

TEST_F(Readers, OtherKindsOfFilesAreRefused) {
  EXPECT_MENTIONS(refusal("x", "a.docx"), "unknown kind of file; expected .jsonl");
  EXPECT_TRUE(is_document_file("a.jsonl.gz"));
  EXPECT_TRUE(is_document_file("a.parquet"));
  EXPECT_FALSE(is_document_file("a.csv"));
  EXPECT_FALSE(is_document_file("README"));
  EXPECT_MENTIONS(error_of([] { invalid_utf8_policy("ignore"); }),
                  "expected error, replace or skip");
}

}  // namespace
}  // namespace demix
