#include "demix/corpus/added_tokens.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "demix/core/error.h"
#include "demix/corpus/unicode.h"
#include "demix/corpus/utf8.h"

namespace demix {
namespace {

bool ends_with_word(std::string_view text) {
  if (text.empty()) return false;
  return properties_of(decode_utf8(previous_code_point(text.data() + text.size())).value).word;
}

bool begins_with_word(std::string_view text) {
  return !text.empty() && properties_of(decode_utf8(text.data()).value).word;
}

size_t without_trailing_space(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    const char* last = previous_code_point(text.data() + end);
    if (!properties_of(decode_utf8(last).value).space) break;
    end = static_cast<size_t>(last - text.data());
  }
  return end;
}

size_t leading_space(std::string_view text) {
  size_t end = 0;
  while (end < text.size()) {
    const auto [value, bytes] = decode_utf8(&text[end]);
    if (!properties_of(value).space) break;
    end += bytes;
  }
  return end;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), nodes_(1) {
  std::set<unsigned char> first_bytes;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    DEMIX_CHECK(!content.empty());
    first_bytes.insert(static_cast<unsigned char>(content[0]));
    uint32_t node = 0;
    for (const char c : content) {
      const auto& children = nodes_[node].children;
      const auto child =
          std::find_if(children.begin(), children.end(), [c](auto& x) { return x.first == c; });
      if (child != children.end()) {
        node = child->second;
        continue;
      }
      const auto fresh = static_cast<uint32_t>(nodes_.size());
      nodes_[node].children.emplace_back(c, fresh);
      nodes_.emplace_back();
      node = fresh;
    }
    DEMIX_CHECK(nodes_[node].token < 0);
    nodes_[node].token = static_cast<int32_t>(i);
  }
  for (const unsigned char byte : first_bytes) begins_[byte] = true;
  if (first_bytes.size() == 1) only_first_byte_ = *first_bytes.begin();
}

int32_t AddedTokenFinder::longest_at(std::string_view text) const {
  int32_t longest = -1;
  uint32_t node = 0;
  for (const char c : text) {
    const auto& children = nodes_[node].children;
    const auto child =
        std::find_if(children.begin(), children.end(), [c](auto& x) { return x.first == c; });
    if (child == children.end()) break;
    node = child->second;
    if (nodes_[node].token >= 0) longest = nodes_[node].token;
  }
  return longest;
}

void AddedTokenFinder::split(std::string_view text, std::vector<Piece>& pieces) const {
  const auto put = [&](size_t begin, size_t end, int32_t id) {
    if (begin < end) pieces.push_back({text.substr(begin, end - begin), id});
  };
  size_t done = 0;  // up to here the text is in pieces
  for (size_t at = tokens_.empty() ? text.size() : 0; at < text.size();) {
    if (only_first_byte_ >= 0) {
      const void* found = std::memchr(&text[at], only_first_byte_, text.size() - at);
      if (!found) break;
      at = static_cast<size_t>(static_cast<const char*>(found) - text.data());
    } else if (!begins_[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    const int32_t index = longest_at(text.substr(at));
    if (index < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(index)];
    size_t begin = at;
    size_t end = at + token.content.size();
    at = end;  // the search goes on here even if the white space taken below reaches further
    if (token.single_word &&
        (ends_with_word(text.substr(0, begin)) || begins_with_word(text.substr(end)))) {
      continue;
    }
    if (token.lstrip) begin = std::max(without_trailing_space(text.substr(0, begin)), done);
    if (token.rstrip) end += leading_space(text.substr(end));
    put(done, begin, -1);
    put(begin, end, token.id);
    done = end;
  }
  put(done, text.size(), -1);
}

}  // namespace demix
