#include "demix/report/page.h"

#include "demix/report/html.h"

namespace demix {

std::string render_page(const RunResult& result) {
  return html("<!doctype html>\n<title>demix: {}</title>\n", result.name).text;
}

}  // namespace demix
