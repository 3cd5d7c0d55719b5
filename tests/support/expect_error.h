// expect_error([&] { load(x); }, {"'x'", "expected 3"}): the call throws adjoint::Error and the
// message contains every part. An error message is part of what the house promises.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "core/base/error.h"

namespace adjoint::test {

template <class Call>
void expect_error(Call&& call, std::initializer_list<std::string> parts) {
  try {
    call();
  } catch (const Error& error) {
    for (const std::string& part : parts) {
      EXPECT_NE(error.message().find(part), std::string::npos)
          << "the message lacks \"" << part << "\": " << error.message();
    }
    return;
  }
  ADD_FAILURE() << "no error was thrown";
}

}  // namespace adjoint::test
