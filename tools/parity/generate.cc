// generate MODEL REQUESTS OUT [DTYPE]: continues each line {"ids": […], "max_tokens": N} of
// REQUESTS greedily and writes {"ids": […]} for it, stopping at the model's end token. Prints
// seconds and tokens. tools/parity/generate.py compares.

#include "demix/evaluate/generate.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/corpus/tokenizer.h"
#include "demix/model/decoder.h"
#include "demix/run/device.h"

namespace {

void run(const std::vector<std::string>& arguments) {
  using namespace demix;
  const Architecture architecture = load_architecture(arguments[0]);
  const Tokenizer tokenizer = Tokenizer::load(arguments[0]);
  const auto dtype = resolve_dtype(arguments.size() > 3 ? arguments[3] : "float32", "DTYPE");
  const Weights weights = load_weights(arguments[0], architecture, dtype, at::kCPU);
  std::vector<GenerationRequest> requests;
  std::ifstream lines(arguments[1]);
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    requests.push_back({.name = fmt::format("request {}", requests.size()),
                        .prompt = json.at("ids").get<std::vector<int32_t>>(),
                        .max_tokens = json.at("max_tokens").get<int64_t>(),
                        .stops = {}});
  }
  std::vector<int32_t> stop_tokens;
  if (architecture.eos) stop_tokens.push_back(static_cast<int32_t>(*architecture.eos));

  const auto start = std::chrono::steady_clock::now();
  const auto results = generate(
      requests, stop_tokens, tokenizer, Decoder(architecture, at::kCPU), weights, GenerateConfig());
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  std::string out;
  size_t tokens = 0;
  for (const Generation& result : results) {
    out += nlohmann::json({{"ids", result.ids}}).dump() + "\n";
    tokens += result.ids.size();
  }
  write_file_atomically(arguments[2], out);
  fmt::print("{}\n", nlohmann::json({{"seconds", elapsed.count()}, {"tokens", tokens}}).dump());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: generate MODEL REQUESTS OUT [DTYPE]\n");
    return 1;
  }
  try {
    run({argv + 1, argv + argc});
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", demix::error_chain(error));
    return 1;
  }
}
