// Added tokens: strings that are found in the text before it is split into words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool single_word = false;  // only where no \w touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool normalized = false;   // is looked for in the normalized text
  bool special = false;
};

// Finds the leftmost, of these the longest token, from left to right. Immutable.
class AddedTokenFinder {
 public:
  // A piece of the text: a token, or ordinary text when `id` is -1.
  struct Piece {
    std::string_view text;
    int32_t id;
  };

  // Contents must be different and not empty.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  // Appends the pieces of `text`, valid UTF-8, in order; none is empty.
  void split(std::string_view text, std::vector<Piece>& pieces) const;

 private:
  struct Node {
    int32_t token = -1;  // index of the token that ends here
    std::vector<std::pair<char, uint32_t>> children;
  };

  // The longest token at the beginning of `text`, or -1.
  int32_t longest_at(std::string_view text) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  bool begins_[256] = {};
  int only_first_byte_ = -1;  // when all tokens begin with the same byte
};

}  // namespace demix
