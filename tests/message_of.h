// What an error says, for tests.
#pragma once

#include <string>

#include "demix/core/error.h"

namespace demix {

// The message of the Error that `work` throws, with those nested in it; "no error" where it throws
// none.
std::string message_of(auto&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error_chain(error);
  }
  return "no error";
}

}  // namespace demix

#define EXPECT_MENTIONS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)
