#include "demix/report/report.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/report/mixture_csv.h"
#include "demix/report/page.h"
#include "demix/report/result_json.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

void write_file(const fs::path& path, const std::string& content) {
  fs::path unfinished = path;
  unfinished += ".part";
  std::ofstream file(unfinished, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  file.close();
  if (!file) {
    const std::string reason = std::strerror(errno);
    std::error_code ignored;
    fs::remove(unfinished, ignored);
    throw Error("{}: cannot be written ({}); is the folder there, and the disk not full?",
                path.string(),
                reason);
  }
  fs::rename(unfinished, path);
}

Json read_json(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw Error(
        "{}: cannot be read; 'demix report' needs a run folder that 'demix run' has written to",
        path.string());
  }
  try {
    return Json::parse(file);
  } catch (const Json::exception& error) {
    throw Error("{}: not JSON: {}", path.string(), error.what());
  }
}

void write_views(const fs::path& run, const RunResult& result) {
  write_file(run / "mixture.csv", mixture_csv(result));
  write_file(run / "megatron_blend.txt", megatron_blend(result) + "\n");
  write_file(run / "report.html", render_page(result));
}

}  // namespace

void write_report(const fs::path& run, const RunResult& result) {
  // A name that is not UTF-8 must not lose a run's result.
  const auto dump = [](const Json& json) {
    return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  };
  write_file(run / "details.json", dump(details_to_json(result)));
  write_file(run / "result.json", dump(result_to_json(result)));
  write_views(run, result);
}

RunResult read_result(const fs::path& run) {
  return result_from_json(read_json(run / "result.json"), read_json(run / "details.json"));
}

void rebuild_report(const fs::path& run) { write_views(run, read_result(run)); }

}  // namespace demix
