#include "demix/report/report.h"

#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/report/mixture_csv.h"
#include "demix/report/page.h"
#include "demix/report/result_json.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

Json read_json(const fs::path& path) {
  if (!fs::exists(path)) {
    throw Error(
        "{}: missing; 'demix report' needs a run folder that 'demix run' has written results to",
        path.string());
  }
  try {
    return Json::parse(read_file(path));
  } catch (const Json::exception& error) {
    throw Error("{}: not JSON: {}", path.string(), error.what());
  }
}

void write_views(const fs::path& run, const RunResult& result) {
  write_file_atomically(run / "mixture.csv", mixture_csv(result));
  write_file_atomically(run / "megatron_blend.txt", megatron_blend(result) + "\n");
  write_file_atomically(run / "report.html", render_page(result));
}

}  // namespace

void write_report(const fs::path& run, const RunResult& result) {
  // A name that is not UTF-8 must not lose a run's result.
  const auto dump = [](const Json& json) {
    return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  };
  write_file_atomically(run / "details.json", dump(details_to_json(result)));
  write_file_atomically(run / "result.json", dump(result_to_json(result)));
  write_views(run, result);
}

RunResult read_result(const fs::path& run) {
  const Json result = read_json(run / "result.json");
  return result_from_json(result, read_json(run / "details.json"));
}

void rebuild_report(const fs::path& run) { write_views(run, read_result(run)); }

}  // namespace demix
