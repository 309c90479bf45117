#include "demix/model/safetensors.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "demix/core/error.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

std::string length_of(uint64_t header_bytes) {
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(header_bytes >> (8 * i));
  return length;
}

void expect_refused(const std::filesystem::path& path, std::string_view reason) {
  try {
    SafetensorsFile::open(path);
    ADD_FAILURE() << "accepted; expected: " << reason;
  } catch (const Error& error) {
    EXPECT_NE(std::string_view(error.what()).find(reason), std::string::npos) << error.what();
    EXPECT_NE(std::string_view(error.what()).find(path.string()), std::string::npos);
  }
}

struct Fixture {
  TemporaryFolder folder;
  std::filesystem::path path = folder / "x.safetensors";
  std::vector<float> values = {1, 2, 3, 4, 5, 6};
  Fixture() {
    const TensorView views[] = {{"a", "F32", {2, 2}, std::as_bytes(std::span(values).first(4))},
                                {"b", "F32", {2}, std::as_bytes(std::span(values).last(2))},
                                {"empty", "BF16", {0, 7}, {}}};
    write_safetensors(path, views, {{"format", "pt"}});
  }
};

TEST(Safetensors, WhatIsWrittenIsReadWholeAndInParts) {
  const Fixture f;
  const SafetensorsFile file = SafetensorsFile::open(f.path);
  EXPECT_EQ(file.find("c"), nullptr);
  ASSERT_NE(file.find("b"), nullptr);
  EXPECT_EQ(file.find("b")->shape, std::vector<int64_t>{2});
  EXPECT_EQ(file.metadata().at("format"), "pt");
  float part[2];
  file.read(*file.find("a"), std::as_writable_bytes(std::span(part)), 4);
  EXPECT_EQ(part[0], 2);
  EXPECT_EQ(part[1], 3);
  EXPECT_EQ(file.read(*file.find("b")).size(), 8u);
  EXPECT_TRUE(file.read(*file.find("empty")).empty());
}

TEST(Safetensors, FilesThatAreShorterThanTheySayAreRefused) {
  const Fixture f;
  const auto size = std::filesystem::file_size(f.path);
  for (const uintmax_t kept : {size - 1, size - 24, uintmax_t{20}, uintmax_t{8}, uintmax_t{5}}) {
    std::filesystem::resize_file(f.path, kept);
    expect_refused(f.path, "truncated");
  }
  std::filesystem::resize_file(f.path, 0);
  expect_refused(f.path, "too few");
}

TEST(Safetensors, HeadersThatClaimTooMuchAreRefusedBeforeAnythingIsAllocated) {
  const TemporaryFolder folder;
  expect_refused(folder.write("x", length_of(UINT64_MAX) + "{}"), "most allowed");
  expect_refused(folder.write("x", length_of(100'000'001) + "{}"), "most allowed");
  expect_refused(folder.write("x", length_of(100'000'000) + "{}"), "but the file has 2");
  expect_refused(folder.write("x", length_of(0)), "should begin with '{'");
}

TEST(Safetensors, WhatIsNoFileIsRefusedWithoutWaiting) {
  const TemporaryFolder folder;
  expect_refused(folder / "missing", "No such file");
  expect_refused(folder.path(), "not a regular file");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  expect_refused(folder / "pipe", "not a regular file");
}

TEST(Safetensors, AFileThatShrinksWhileItIsReadIsAnErrorNotASignal) {
  const Fixture f;
  const SafetensorsFile file = SafetensorsFile::open(f.path);
  EXPECT_NO_THROW(file.check_unchanged());
  std::filesystem::resize_file(f.path, std::filesystem::file_size(f.path) - 20);
  EXPECT_THROW(file.read(*file.find("a")), Error);
  EXPECT_THROW(file.check_unchanged(), Error);
}

TEST(Safetensors, AThousandFilesAreOpenAtOnceBelowTheLimitOfDescriptors) {
  const Fixture f;
  std::vector<SafetensorsFile> files;
  for (int i = 0; i < 1500; ++i) files.push_back(SafetensorsFile::open(f.path));
  for (const SafetensorsFile& file : files)
    ASSERT_EQ(file.read(*file.find("b")), files[0].read(*files[0].find("b")));
}

}  // namespace
}  // namespace demix
