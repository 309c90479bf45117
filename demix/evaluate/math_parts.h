// The parts of a LaTeX answer that is more than one formula.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

// Split at every separator outside of all brackets, whatever kinds these are: intervals may close
// with another. Parts may be empty; without a separator there is one.
std::vector<std::string_view> split_outside_brackets(std::string_view text,
                                                     std::string_view separator);

// "[2,5)" has open "[", inside "2,5" and close ")". Open and close are one of ( [ { \{ and their
// counterparts.
struct Bracketed {
  std::string_view open, inside, close;
};
// Nothing when the text is not one pair of brackets from its first to its last character.
std::optional<Bracketed> as_bracketed(std::string_view text);

// The rows of \begin{pmatrix}…\end{pmatrix} and its relatives, each with its cells.
struct Matrix {
  std::string name;  // "matrix", "pmatrix", … ; brackets of pmatrix and bmatrix are the same
  std::vector<std::vector<std::string_view>> rows;
};
std::optional<Matrix> as_matrix(std::string_view text);

}  // namespace demix
