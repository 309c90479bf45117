#include <algorithm>
#include <charconv>
#include <optional>

#include "demix/core/error.h"
#include "demix/evaluate/jinja_functions.h"
#include "demix/evaluate/jinja_node.h"
#include "demix/evaluate/python_value.h"
#include "demix/evaluate/text.h"

namespace demix {
namespace {

using Kind = JinjaNode::Kind;

constexpr int kMaxDepth = 60;
constexpr int kMaxTokens = 4000;    // of one tag
constexpr int kMaxTreeDepth = 300;  // with chains such as a + b + c, which nest to the left

JinjaNode node_of(Kind kind, std::vector<JinjaNode> parts = {}, std::string name = "") {
  JinjaNode node;
  node.kind = kind;
  node.parts = std::move(parts);
  node.name = std::move(name);
  return node;
}

JinjaNode constant(Json value) {
  JinjaNode node = node_of(Kind::kConstant);
  node.value = std::move(value);
  return node;
}

std::vector<JinjaNode> pair_of(JinjaNode a, JinjaNode b) {
  std::vector<JinjaNode> both;
  both.push_back(std::move(a));
  both.push_back(std::move(b));
  return both;
}

int depth_of(const JinjaNode& node) {
  int depth = 0;
  for (const JinjaNode& part : node.parts) depth = std::max(depth, depth_of(part));
  return depth + 1;
}

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9') ||
         static_cast<unsigned char>(c) >= 128;
}

class Parser {
 public:
  Parser(std::string text, const std::string& where) : text_(std::move(text)), where_(where) {}

  JinjaNode parse() {
    JinjaNode body = read_body({});
    if (depth_of(body) > kMaxTreeDepth) refuse("so long a chain");
    return body;
  }

 private:
  // Of an expression or the words of a statement.
  struct Token {
    enum class Kind { kEnd, kName, kText, kInteger, kFloat, kSign } kind = Kind::kEnd;
    std::string text;
    size_t at = 0;
  };
  using TokenKind = Token::Kind;

  [[noreturn]] void refuse(std::string_view what) const {
    throw Error(
        "{}: {} of Jinja is not read here, in '{}'; write a task file of demix instead "
        "(docs/adding.md)",
        where_,
        printable(what),
        printable(text_));
  }
  [[noreturn]] void wrong(std::string_view expected) const {
    throw Error("{}: expected {} at '{}' in '{}'",
                where_,
                expected,
                printable(std::string_view(text_).substr(std::min(token_.at, text_.size())), 40),
                printable(text_));
  }

  // ---- the template ----

  // Up to one of the statements `ends`, whose name becomes `ended_by_`.
  JinjaNode read_body(const std::vector<std::string_view>& ends) {
    if (++depth_ > kMaxDepth) refuse("so deep a nesting");
    JinjaNode body = node_of(Kind::kBody);
    ended_by_.clear();
    while (true) {
      size_t mark = at_;
      while (mark < text_.size() &&
             !(text_[mark] == '{' && mark + 1 < text_.size() &&
               (text_[mark + 1] == '{' || text_[mark + 1] == '%' || text_[mark + 1] == '#')))
        ++mark;
      const bool strips = mark + 2 < text_.size() && text_[mark + 2] == '-';
      std::string_view literal = std::string_view(text_).substr(at_, mark - at_);
      if (strips) literal = strip_right(literal);
      if (!literal.empty()) body.parts.push_back(node_of(Kind::kText, {}, std::string(literal)));
      at_ = mark;
      if (mark == text_.size()) {
        if (!ends.empty()) {
          next_token_at(mark);
          wrong(fmt::format("'{{% {} %}}'", ends.back()));
        }
        break;
      }
      const char opening = text_[mark + 1];
      at_ += 2;
      tokens_ = 0;
      if (at_ < text_.size() && (text_[at_] == '-' || text_[at_] == '+')) ++at_;
      if (opening == '#') {
        read_comment();
      } else if (opening == '{') {
        next();
        JinjaNode output = node_of(Kind::kOutput);
        output.parts.push_back(expression());
        refuse_iterator(output.parts[0]);
        end_tag("}}");
        body.parts.push_back(std::move(output));
      } else if (read_statement(ends, body)) {
        break;
      }
    }
    --depth_;
    return body;
  }

  // What Python writes as "range(0, 3)" or "<generator object …>".
  void refuse_iterator(const JinjaNode& node) const {
    const bool is_view = node.kind == Kind::kMethod &&
                         (node.name == "keys" || node.name == "values" || node.name == "items");
    const bool is_lazy =
        node.kind == Kind::kFilter && (node.name == "map" || node.name == "reverse");
    if (node.kind == Kind::kFunction || is_view || is_lazy)
      refuse(fmt::format("'{}' as a text; add '|list',", node.name));
  }

  void read_comment() {
    const size_t end = text_.find("#}", at_);
    if (end == std::string::npos) wrong("'#}'");
    const bool strips = end > at_ && text_[end - 1] == '-';
    at_ = end + 2;
    if (strips) skip_blanks_of_text();
  }

  void skip_blanks_of_text() {
    const std::string_view rest = std::string_view(text_).substr(at_);
    at_ += rest.size() - strip_left(rest).size();
  }

  // Behind the last token of a tag.
  void end_tag(std::string_view closing) {
    if (token_.kind != TokenKind::kEnd || token_.text != closing)
      wrong(fmt::format("'{}'", closing));
    at_ = token_.at;
    const bool strips = text_[at_] == '-';
    at_ += closing.size() + (text_[at_] == closing[0] ? 0 : 1);
    if (strips) skip_blanks_of_text();
  }

  // Whether it was one of `ends`.
  bool read_statement(const std::vector<std::string_view>& ends, JinjaNode& body) {
    next();
    const std::string name = token_.kind == TokenKind::kName ? token_.text : "";
    if (std::find(ends.begin(), ends.end(), name) != ends.end()) {
      ended_by_ = name;
      next();
      if (name != "elif") end_tag("%}");
      return true;
    }
    if (name == "if") {
      next();
      body.parts.push_back(read_if());
    } else if (name == "for") {
      next();
      body.parts.push_back(read_for());
    } else if (name == "set") {
      next();
      JinjaNode set = node_of(Kind::kSet);
      set.names.push_back(take_name());
      if (!skip("=")) refuse("'set' of more than one name or of a block");
      set.parts.push_back(expression());
      end_tag("%}");
      body.parts.push_back(std::move(set));
    } else {
      refuse(fmt::format("the statement '{}'", name));
    }
    return false;
  }

  // Behind "if" or "elif".
  JinjaNode read_if() {
    if (++depth_ > kMaxDepth) refuse("so deep a nesting");
    JinjaNode node = node_of(Kind::kIf);
    node.parts.push_back(any_of());
    end_tag("%}");
    node.parts.push_back(read_body({"elif", "else", "endif"}));
    if (ended_by_ == "elif") {
      JinjaNode other = node_of(Kind::kBody);
      other.parts.push_back(read_if());
      node.parts.push_back(std::move(other));
    } else if (ended_by_ == "else") {
      node.parts.push_back(read_body({"endif"}));
    } else {
      node.parts.push_back(node_of(Kind::kBody));
    }
    --depth_;
    return node;
  }

  JinjaNode read_for() {
    JinjaNode node = node_of(Kind::kFor);
    node.names.push_back(take_name());
    while (skip(",")) node.names.push_back(take_name());
    if (!skip_word("in")) wrong("'in'");
    node.parts.push_back(any_of());
    node.parts.push_back(skip_word("if") ? any_of() : constant(true));
    if (sees_word("recursive")) refuse("a recursive loop");
    end_tag("%}");
    node.parts.push_back(read_body({"else", "endfor"}));
    node.parts.push_back(ended_by_ == "else" ? read_body({"endfor"}) : node_of(Kind::kBody));
    return node;
  }

  // ---- tokens ----

  void next() {
    if (++tokens_ > kMaxTokens) refuse("so long an expression");
    next_token_at(at_);
  }

  void next_token_at(size_t at) {
    while (at < text_.size() &&
           (text_[at] == ' ' || text_[at] == '\t' || text_[at] == '\n' || text_[at] == '\r'))
      ++at;
    token_ = {.kind = TokenKind::kEnd, .text = "", .at = at};
    const std::string_view rest = std::string_view(text_).substr(at);
    if (rest.empty()) return finish(at);
    if (brackets_ == 0)
      for (const std::string_view closing : {"}}", "%}"})
        if (rest.starts_with(closing) || ((rest[0] == '-' || (rest[0] == '+' && closing == "%}")) &&
                                          rest.substr(1).starts_with(closing))) {
          token_.text = closing;
          return finish(at);
        }
    const char c = rest[0];
    if (c == '\'' || c == '"') return read_text(at);
    if (c >= '0' && c <= '9') return read_number(at);
    if (is_name_byte(c)) {
      size_t end = at;
      while (end < text_.size() && is_name_byte(text_[end])) ++end;
      token_.kind = TokenKind::kName;
      token_.text = text_.substr(at, end - at);
      return finish(end);
    }
    token_.kind = TokenKind::kSign;
    for (const std::string_view sign : {"**", "//", "==", "!=", "<=", ">="})
      if (rest.starts_with(sign)) token_.text = sign;
    if (token_.text.empty()) {
      if (std::string_view("+-*/%~.,:|()[]{}=<>").find(c) == std::string_view::npos)
        wrong("an expression");
      token_.text = c;
    }
    if (c == '(' || c == '[' || c == '{') ++brackets_;
    if ((c == ')' || c == ']' || c == '}') && --brackets_ < 0) wrong("an expression");
    finish(at + token_.text.size());
  }
  void finish(size_t end) { at_ = end; }

  void read_text(size_t at) {
    const char quote = text_[at++];
    std::string value;
    while (at < text_.size() && text_[at] != quote) {
      if (text_[at] == '\\' && at + 1 < text_.size()) {
        ++at;
        value += python_escape(text_, at);
      } else {
        value += text_[at++];
      }
    }
    if (at >= text_.size()) wrong("the end of the text between quotes");
    token_.kind = TokenKind::kText;
    token_.text = std::move(value);
    finish(at + 1);
  }

  void read_number(size_t at) {
    size_t end = at;
    const auto digits = [&] {
      while (end < text_.size() && text_[end] >= '0' && text_[end] <= '9') ++end;
    };
    digits();
    token_.kind = TokenKind::kInteger;
    if (end + 1 < text_.size() && text_[end] == '.' && text_[end + 1] >= '0' &&
        text_[end + 1] <= '9') {
      token_.kind = TokenKind::kFloat;
      ++end;
      digits();
    }
    if (end < text_.size() && is_name_byte(text_[end])) refuse("a number written like this");
    token_.text = text_.substr(at, end - at);
    finish(end);
  }

  bool sees(std::string_view sign) const {
    return token_.kind == TokenKind::kSign && token_.text == sign;
  }
  bool skip(std::string_view sign) {
    if (!sees(sign)) return false;
    next();
    return true;
  }
  void expect(std::string_view sign) {
    if (!skip(sign)) wrong(fmt::format("'{}'", sign));
  }
  bool sees_word(std::string_view word) const {
    return token_.kind == TokenKind::kName && token_.text == word;
  }
  bool skip_word(std::string_view word) {
    if (!sees_word(word)) return false;
    next();
    return true;
  }
  std::string take_name() {
    if (token_.kind != TokenKind::kName) wrong("a name");
    std::string name = token_.text;
    next();
    return name;
  }

  // ---- expressions, from the loosest operator to the tightest ----

  JinjaNode expression() {
    if (++depth_ > kMaxDepth) refuse("so deep a nesting");
    JinjaNode value = any_of();
    while (skip_word("if")) {
      JinjaNode condition = node_of(Kind::kCondition);
      condition.parts.push_back(any_of());
      condition.parts.push_back(std::move(value));
      condition.parts.push_back(skip_word("else") ? expression() : node_of(Kind::kAbsent));
      value = std::move(condition);
    }
    --depth_;
    return value;
  }

  JinjaNode any_of() {
    JinjaNode left = all_of();
    while (skip_word("or")) left = node_of(Kind::kOr, pair_of(std::move(left), all_of()));
    return left;
  }

  JinjaNode all_of() {
    JinjaNode left = negation();
    while (skip_word("and")) left = node_of(Kind::kAnd, pair_of(std::move(left), negation()));
    return left;
  }

  JinjaNode negation() {
    if (!skip_word("not")) return comparison();
    if (++depth_ > kMaxDepth) refuse("so deep a nesting");
    JinjaNode node = node_of(Kind::kNot);
    node.parts.push_back(negation());
    --depth_;
    return node;
  }

  JinjaNode comparison() {
    JinjaNode left = sum();
    JinjaNode node = node_of(Kind::kCompare);
    while (true) {
      std::string_view name;
      for (const std::string_view sign : {"==", "!=", "<", "<=", ">", ">="})
        if (sees(sign)) name = sign;
      if (sees_word("in") || sees_word("not")) {
        name = sees_word("in") ? "in" : "not in";
        next();
        if (name == "not in" && !sees_word("in")) wrong("'in'");
        if (name == "not in") next();
      } else if (!name.empty()) {
        next();
      } else {
        break;
      }
      if (node.parts.empty()) node.parts.push_back(std::move(left));
      node.names.emplace_back(name);
      node.parts.push_back(sum());
    }
    return node.parts.empty() ? std::move(left) : std::move(node);
  }

  template <typename Operand>
  JinjaNode binary(std::initializer_list<std::string_view> signs, const Operand& operand) {
    JinjaNode left = operand();
    while (true) {
      const auto name = std::find_if(
          signs.begin(), signs.end(), [this](std::string_view sign) { return sees(sign); });
      if (name == signs.end()) return left;
      next();
      left = node_of(Kind::kBinary, pair_of(std::move(left), operand()), std::string(*name));
    }
  }
  JinjaNode sum() {
    return binary({"+", "-"}, [this] { return concatenation(); });
  }
  JinjaNode concatenation() {
    return binary({"~"}, [this] { return product(); });
  }
  JinjaNode product() {
    return binary({"*", "/", "//", "%"}, [this] { return power(); });
  }
  JinjaNode power() {
    return binary({"**"}, [this] { return unary(true); });
  }

  JinjaNode unary(bool with_filters) {
    if (++depth_ > kMaxDepth) refuse("so deep a nesting");
    JinjaNode node;
    if (sees("-") || sees("+")) {
      const std::string sign = token_.text;
      next();
      node = node_of(Kind::kUnary, {}, sign);
      node.parts.push_back(unary(false));
    } else {
      node = primary();
    }
    node = postfix(std::move(node));
    if (with_filters) node = filtered(std::move(node));
    --depth_;
    return node;
  }

  JinjaNode primary() {
    const Token token = token_;
    if (token.kind == TokenKind::kName) {
      next();
      if (token.text == "true" || token.text == "True") return constant(true);
      if (token.text == "false" || token.text == "False") return constant(false);
      if (token.text == "none" || token.text == "None") return constant(nullptr);
      return node_of(Kind::kName, {}, token.text);
    }
    if (token.kind == TokenKind::kText) {
      std::string text;
      for (; token_.kind == TokenKind::kText; next()) text += token_.text;
      return constant(std::move(text));
    }
    if (token.kind == TokenKind::kInteger || token.kind == TokenKind::kFloat) {
      next();
      const char *begin = token.text.data(), *end = begin + token.text.size();
      if (token.kind == TokenKind::kFloat) {
        double real = 0;
        std::from_chars(begin, end, real);
        return constant(real);
      }
      int64_t integer = 0;
      if (std::from_chars(begin, end, integer).ec != std::errc()) refuse("so large a number");
      return constant(integer);
    }
    if (skip("(")) {
      JinjaNode inner = expression();
      if (sees(",")) refuse("a tuple");
      expect(")");
      return inner;
    }
    if (skip("[")) {
      JinjaNode list = node_of(Kind::kList);
      while (!skip("]")) {
        if (!list.parts.empty()) expect(",");
        if (skip("]")) break;
        list.parts.push_back(expression());
      }
      return list;
    }
    if (skip("{")) {
      JinjaNode dict = node_of(Kind::kDict);
      while (!skip("}")) {
        if (!dict.parts.empty()) expect(",");
        if (skip("}")) break;
        dict.parts.push_back(expression());
        expect(":");
        dict.parts.push_back(expression());
      }
      return dict;
    }
    wrong("an expression");
  }

  JinjaNode postfix(JinjaNode node) {
    while (true) {
      if (skip(".")) {
        if (token_.kind == TokenKind::kInteger) {
          node = node_of(Kind::kItem, pair_of(std::move(node), primary()));
          continue;
        }
        const std::string name = take_name();
        if (sees("(")) {
          check_known("the method", name, jinja_methods());
          JinjaNode call = node_of(Kind::kMethod, {}, name);
          call.parts.push_back(std::move(node));
          read_arguments(call);
          if (!call.names.empty()) refuse("an argument by name of a method");
          node = std::move(call);
        } else {
          if (is_dict_method(name)) refuse(fmt::format("'.{}' without a call", name));
          JinjaNode attribute = node_of(Kind::kAttribute, {}, name);
          attribute.parts.push_back(std::move(node));
          node = std::move(attribute);
        }
      } else if (skip("[")) {
        node = subscript(std::move(node));
      } else if (sees("(")) {
        if (node.kind != Kind::kName || node.name != "range")
          refuse(fmt::format("the function '{}'", node.name));
        JinjaNode call = node_of(Kind::kFunction, {}, node.name);
        read_arguments(call);
        if (!call.names.empty() || call.parts.empty() || call.parts.size() > 3)
          wrong("one to three numbers for range()");
        node = std::move(call);
      } else {
        return node;
      }
    }
  }

  JinjaNode subscript(JinjaNode node) {
    std::vector<JinjaNode> bounds;
    bool is_slice = false;
    bounds.push_back(sees(":") ? node_of(Kind::kAbsent) : expression());
    while (bounds.size() < 3 && skip(":")) {
      is_slice = true;
      bounds.push_back(sees(":") || sees("]") ? node_of(Kind::kAbsent) : expression());
    }
    if (sees(",")) refuse("a tuple");
    expect("]");
    if (!is_slice) return node_of(Kind::kItem, pair_of(std::move(node), std::move(bounds[0])));
    bounds.resize(3);
    JinjaNode slice = node_of(Kind::kSlice);
    slice.parts.push_back(std::move(node));
    for (JinjaNode& bound : bounds) slice.parts.push_back(std::move(bound));
    return slice;
  }

  // "(a, b, name=c)" behind what is called.
  void read_arguments(JinjaNode& call) {
    expect("(");
    bool first = true;
    while (!skip(")")) {
      if (!first) expect(",");
      if (skip(")")) break;
      first = false;
      if (sees("*") || sees("**")) refuse("an argument with '*'");
      JinjaNode argument = expression();
      if (argument.kind == Kind::kName && skip("=")) {
        call.names.push_back(argument.name);
        argument = expression();
      } else if (!call.names.empty()) {
        wrong("an argument by name");
      }
      call.parts.push_back(std::move(argument));
    }
  }

  JinjaNode filtered(JinjaNode node) {
    while (true) {
      if (skip("|")) {
        JinjaNode filter = node_of(Kind::kFilter, {}, take_name());
        check_known("the filter", filter.name, jinja_filters());
        filter.parts.push_back(std::move(node));
        if (sees("(")) read_arguments(filter);
        if (filter.name != "map" && filter.name != "join" && !filter.names.empty())
          refuse(fmt::format("an argument by name of '{}'", filter.name));
        node = std::move(filter);
      } else if (skip_word("is")) {
        const bool negated = skip_word("not");
        JinjaNode test = node_of(Kind::kTest, {}, take_name());
        check_known("the test", test.name, jinja_tests());
        test.parts.push_back(std::move(node));
        if (sees("(")) {
          read_arguments(test);
        } else if (token_.kind == TokenKind::kText || token_.kind == TokenKind::kInteger ||
                   token_.kind == TokenKind::kFloat || sees("[") || sees("{") ||
                   (token_.kind == TokenKind::kName && !sees_word("else") && !sees_word("or") &&
                    !sees_word("and") && !sees_word("if") && !sees_word("not") &&
                    !sees_word("in"))) {
          test.parts.push_back(postfix(primary()));
        }
        if (!test.names.empty()) refuse(fmt::format("an argument by name of '{}'", test.name));
        node = std::move(test);
        if (negated) {
          JinjaNode negation = node_of(Kind::kNot);
          negation.parts.push_back(std::move(node));
          node = std::move(negation);
        }
      } else {
        return node;
      }
    }
  }

  void check_known(std::string_view what,
                   const std::string& name,
                   const std::vector<std::string_view>& known) const {
    if (std::find(known.begin(), known.end(), name) != known.end()) return;
    throw Error(
        "{}: {} '{}' of Jinja is not read here, in '{}'; known are {}; write a task file of demix "
        "instead (docs/adding.md)",
        where_,
        what,
        printable(name, 60),
        printable(text_),
        fmt::join(known, ", "));
  }

  std::string text_;
  const std::string& where_;
  size_t at_ = 0;
  int depth_ = 0, brackets_ = 0, tokens_ = 0;
  Token token_;
  std::string ended_by_;
};

}  // namespace

JinjaNode parse_jinja(std::string_view text, const std::string& where) {
  return Parser(replace_all(replace_all(text, "\r\n", "\n"), "\r", "\n"), where).parse();
}

}  // namespace demix
