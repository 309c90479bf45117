#include "demix/report/html.h"

#include <algorithm>
#include <cmath>

namespace demix {
namespace {

constexpr std::string_view kNothing = "–";
constexpr std::string_view kMinus = "−";
constexpr std::string_view kThinSpace = "\u202f";  // does not break between number and unit

}  // namespace

std::string escaped(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        const auto byte = static_cast<unsigned char>(c);
        const bool forbidden = (byte < 0x20 && c != '\n' && c != '\t' && c != '\r') || byte == 0x7f;
        if (forbidden) {
          safe += "\uFFFD";
        } else {
          safe += c;
        }
    }
  }
  return safe;
}

Html breakable(std::string_view name) {
  Html pieces;
  size_t start = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    if (std::string_view("_-./:").find(name[i]) == std::string_view::npos) continue;
    pieces += html("{}<wbr>", name.substr(start, i + 1 - start));
    start = i + 1;
  }
  pieces += html("{}", name.substr(start));
  return pieces;
}

std::string show(double value, int decimals) {
  if (!std::isfinite(value)) return std::string(kNothing);
  std::string digits = fmt::format("{:.{}f}", std::abs(value), decimals);
  const bool is_zero = digits.find_first_not_of("0.") == std::string::npos;
  return value < 0 && !is_zero ? std::string(kMinus) + digits : digits;
}

int decimals_for(double uncertainty) {
  if (!std::isfinite(uncertainty) || uncertainty <= 0) return 3;
  return std::clamp(1 - static_cast<int>(std::floor(std::log10(uncertainty))), 1, 4);
}

std::string show_percent(double fraction) {
  if (!std::isfinite(fraction)) return std::string(kNothing);
  const double percent = 100 * fraction;
  if (percent > 0 && percent < 0.05) return fmt::format("<0.1{}%", kThinSpace);
  return fmt::format("{}{}%", show(percent, 1), kThinSpace);
}

std::string show_count(double count) {
  if (!std::isfinite(count)) return std::string(kNothing);
  if (std::abs(count) < 1e4) return show(count, 0);
  constexpr const char* kSuffixes[] = {"k", "M", "B", "T"};
  double scaled = count / 1e3;
  size_t suffix = 0;
  // 999.5 would print as 1000 at three digits.
  while (std::abs(scaled) >= 999.5 && suffix + 1 < std::size(kSuffixes)) scaled /= 1e3, ++suffix;
  const int decimals = std::abs(scaled) < 9.995 ? 2 : std::abs(scaled) < 99.95 ? 1 : 0;
  return show(scaled, decimals) + kSuffixes[suffix];
}

std::string show_bytes(double bytes) {
  if (!std::isfinite(bytes)) return std::string(kNothing);
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < std::size(kUnits)) bytes /= 1e3, ++unit;
  const int decimals = unit == 0 || bytes >= 99.95 ? 0 : 1;
  return fmt::format("{}{}{}", show(bytes, decimals), kThinSpace, kUnits[unit]);
}

std::string show_seconds(double seconds) {
  if (!std::isfinite(seconds)) return std::string(kNothing);
  if (seconds < 9.95) return fmt::format("{}{}s", show(seconds, 1), kThinSpace);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{}{}s", whole, kThinSpace);
  if (whole < 3600) {
    return fmt::format("{0}{2}min {1}{2}s", whole / 60, whole % 60, kThinSpace);
  }
  if (whole < 48 * 3600) {
    return fmt::format("{0}{2}h {1}{2}min", whole / 3600, whole / 60 % 60, kThinSpace);
  }
  return fmt::format("{0}{2}d {1}{2}h", whole / 86400, whole / 3600 % 24, kThinSpace);
}

}  // namespace demix
