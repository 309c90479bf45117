// A tokenizer without merges whose ids are the bytes.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "demix/corpus/utf8.h"

namespace demix {

// Ends a text in byte_tokenizer's ids; kEnd + 1 may begin one.
inline constexpr int32_t kEnd = 256;

// Writes tokenizer.json and tokenizer_config.json into `folder`, which is created.
inline void write_byte_tokenizer(const std::filesystem::path& folder,
                                 const std::string& post_processor = "null",
                                 const std::string& begin = "<|begin|>") {
  nlohmann::json vocabulary = nlohmann::json::object();
  // The printable stand-ins of GPT-2: other bytes are 256, 257, … in order.
  char32_t other = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    std::string name;
    append_utf8(printable ? static_cast<char32_t>(byte) : other++, name);
    vocabulary[name] = byte;
  }
  const nlohmann::json byte_level = {{"type", "ByteLevel"},
                                     {"add_prefix_space", false},
                                     {"trim_offsets", true},
                                     {"use_regex", true}};
  nlohmann::json added = nlohmann::json::array();
  for (const auto& [id, content] : {std::pair(kEnd, std::string("<|end|>")), {kEnd + 1, begin}}) {
    added.push_back({{"id", id},
                     {"content", content},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const nlohmann::json file = {{"version", "1.0"},
                               {"truncation", nullptr},
                               {"padding", nullptr},
                               {"added_tokens", added},
                               {"normalizer", nullptr},
                               {"pre_tokenizer", byte_level},
                               {"post_processor", nlohmann::json::parse(post_processor)},
                               {"decoder", byte_level},
                               {"model",
                                {{"type", "BPE"},
                                 {"dropout", nullptr},
                                 {"unk_token", nullptr},
                                 {"continuing_subword_prefix", nullptr},
                                 {"end_of_word_suffix", nullptr},
                                 {"fuse_unk", false},
                                 {"byte_fallback", false},
                                 {"ignore_merges", false},
                                 {"vocab", vocabulary},
                                 {"merges", nlohmann::json::array()}}}};
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "tokenizer.json") << file.dump();
  std::ofstream(folder / "tokenizer_config.json") << R"({"eos_token": "<|end|>"})";
}

}  // namespace demix
