#include "demix/model/checkpoint_files.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

void expect_refused(const TemporaryFolder& folder, std::string_view reason) {
  try {
    Checkpoint::open(folder.path());
    ADD_FAILURE() << "accepted; expected: " << reason;
  } catch (const Error& error) {
    EXPECT_NE(std::string_view(error.what()).find(reason), std::string::npos) << error.what();
  }
}

void write_shard(const TemporaryFolder& folder, const char* file, const char* tensor, float value) {
  const TensorView view{tensor, "F32", {}, std::as_bytes(std::span(&value, 1))};
  write_safetensors(folder / file, {&view, 1});
}

TEST(CheckpointFiles, ShardsAreReadThroughTheirIndex) {
  const TemporaryFolder folder;
  write_shard(folder, "1.safetensors", "b", 1);
  write_shard(folder, "2.safetensors", "a", 2);
  folder.write(
      kIndexFile,
      R"({"metadata":{"total_size":8},"weight_map":{"b":"1.safetensors","a":"2.safetensors"}})");
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"a", "b"}));
  float value;
  checkpoint.tensor("a").read(std::as_writable_bytes(std::span(&value, 1)));
  EXPECT_EQ(value, 2);
  EXPECT_EQ(checkpoint.find("c"), nullptr);
}

TEST(CheckpointFiles, AFolderWithoutWeightsIsRefused) {
  const TemporaryFolder folder;
  expect_refused(folder, "holds neither");
  folder.write("pytorch_model.bin", "x");
  expect_refused(folder, "convert it with transformers");
}

TEST(CheckpointFiles, AnIndexThatLiesIsRefused) {
  const TemporaryFolder folder;
  write_shard(folder, "1.safetensors", "a", 1);
  write_shard(folder, "2.safetensors", "a", 2);
  const auto refused = [&](const std::string& index, std::string_view reason) {
    folder.write(kIndexFile, index);
    expect_refused(folder, reason);
  };
  refused("", "not valid JSON");
  refused("[]", "map 'weight_map'");
  refused("3", "map 'weight_map'");
  refused("{}", "map 'weight_map'");
  refused(R"({"weight_map":[]})", "map 'weight_map'");
  refused(R"({"weight_map":"x"})", "map 'weight_map'");
  refused(R"({"weight_map":{},"weight_map":{}})", "'weight_map' occurs twice");
  refused(R"({"weight_map":{"a":1}})", "file of 'a' should be a string");
  refused(R"({"weight_map":{"a":{}}})", "file of 'a' should be a string");
  refused(R"({"weight_map":{"a":["1.safetensors"]}})", "file of 'a' should be a string");
  refused(R"({"weight_map":{"a":"1.safetensors","a":"1.safetensors"}})", "'a' occurs twice");
  refused(R"({"weight_map":{"b":"1.safetensors"}})", "tensor 'b' is not in '1.safetensors'");
  refused(R"({"weight_map":{"a":"3.safetensors"}})", "shard '3.safetensors' is missing");
  refused(R"({"weight_map":{"a":"1.safetensors","x":"2.safetensors"}})", "another shard, too");
  for (const char* name : {"../1.safetensors", "/etc/passwd", ".", "..", "", "sub/1.safetensors"})
    refused(fmt::format(R"({{"weight_map":{{"a":"{}"}}}})", name), "not a file name inside");
  refused(R"({"weight_map":{"a":"1.safetensors\u0000"}})", "not a file name inside");
  refused(R"({"x":)" + std::string(100'000, '['), "deep");
}

TEST(CheckpointFiles, ValuesBesideTheWeightMapDoNotMatter) {
  EXPECT_EQ(parse_weight_map(R"({"metadata":{"weight_map":{"x":[1,{"y":null}]},"n":1.5},"z":"s",)"
                             R"("weight_map":{"a":"f"},"end":[[]]})",
                             "index")
                .size(),
            1u);
}

}  // namespace
}  // namespace demix
