// What the charts share. Every chart is inline SVG whose horizontal coordinates are percentages, so
// that it fits any width while text and marks keep their size; no script is needed to lay it out.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "demix/report/html.h"
#include "demix/report/result.h"

namespace demix {

// Half the width of a 95 % interval, in standard errors.
inline constexpr double kIntervalErrors = 1.96;

// Maps values to 0 … 100 % of a chart's width (or, flipped, of its height or of an axis on which
// less is better).
struct Scale {
  double low = 0, high = 1;
  bool flipped = false;

  double percent(double value) const;
  bool holds(double value) const { return value >= low && value <= high; }
  // Round numbers inside the scale, about `count` of them.
  std::vector<double> ticks(int count) const;
  // Decimals that tell neighbouring ticks apart.
  int decimals(int count) const;
};

// The scale that holds all finite values and a little more. [0, 1] when there are none.
Scale scale_over(std::span<const double> values);

// Value and both ends of the interval of every score, for scale_over.
void add_extent(std::vector<double>& values, const Score& score);

// The three mixtures that are compared everywhere, and the rest. Told apart by shape as well as by
// colour.
enum class Mark { kFound, kNatural, kUniform, kReference };
const char* mark_class(Mark mark);  // "found", "natural", …: the CSS class

// A mark at (x, y), in percent; hollow marks stand for proxies. `tip` is the text shown on pointing
// at it; lines separated by \n.
Html mark_at(double x_percent,
             double y_percent,
             Mark mark,
             bool hollow = false,
             const std::string& tip = "");

// A mark on its own, for legends and tables.
Html mark_icon(Mark mark, bool hollow = false);

// A line between two points in percent, nothing when one is not finite.
Html line(double x1, double y1, double x2, double y2, const char* css_class);

// "0.412 ± 0.010": a score with the half-width of its 95 % interval, or less when less is known.
std::string show_score(const Score& score);
// "0.86 [0.71, 0.94]"
std::string show_estimate(const Estimate& estimate, int decimals = 2);

}  // namespace demix
