// The program as its users meet it: run by the shell, judged by exit code, text and files.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <string>

#include "core/base/files.h"
#include "support/scratch_folder.h"

namespace adjoint::test {

namespace fs = std::filesystem;

struct Outcome {
  int code = -1;
  std::string text;  // standard output and standard error together
};

// Through the shell, with $ADJOINT for the program.
inline Outcome shell(const std::string& script) {
  const std::string whole =
      "export ADJOINT='" ADJOINT_PROGRAM "'; unset NO_COLOR; exec 2>&1; " + script;
  std::FILE* pipe = ::popen(whole.c_str(), "r");
  if (pipe == nullptr) return {};
  Outcome outcome;
  char piece[4096];
  while (const std::size_t size = std::fread(piece, 1, sizeof(piece), pipe))
    outcome.text.append(piece, size);
  const int status = ::pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

inline Outcome adjoint_with(const std::string& arguments) { return shell("$ADJOINT " + arguments); }

inline void expect_fails(int code, const std::string& arguments,
                         std::initializer_list<std::string> parts) {
  const Outcome outcome = adjoint_with(arguments);
  EXPECT_EQ(outcome.code, code) << arguments << "\n" << outcome.text;
  for (const std::string& part : parts)
    EXPECT_NE(outcome.text.find(part), std::string::npos) << "lacks " << part << "\n"
                                                          << outcome.text;
}

// A second or less of training.
inline const std::string kSmall =
    " --device host --set data.train_count=800 --set data.test_count=200 "
    "--set model.layers.1.out=32 --set model.layers.3.out=32 --set train.epochs=2 ";

inline std::string text_of(const fs::path& path) {
  const Bytes bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace adjoint::test
