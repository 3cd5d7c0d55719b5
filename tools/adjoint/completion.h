// Completion in shells. What can be completed is read off the command line's own description
// (parse.cpp), so that it is never another; a script holds all of it and runs nothing.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace adjoint {

/// What stands for an argument, told by its placeholder in the help text.
enum class ArgumentKind : std::uint8_t { none, other, file, folder, recipe, recipe_or_layer };

struct CompletionFlag {
  std::vector<std::string> names;  ///< "--help", "-h"
  std::string help;
  ArgumentKind argument = ArgumentKind::none;
  std::vector<std::string> choices = {};  ///< of the argument, where there are few
  bool repeats = false;                   ///< of a positional: any number of them
};

struct CompletionTopic {
  std::string command;  ///< empty: before any command
  std::string help;
  std::vector<CompletionFlag> flags;
  std::vector<CompletionFlag> positionals;  ///< names are empty
};

struct CommandLine {
  std::vector<CompletionTopic> topics;  ///< the first is that of the program itself
};

/// A script for "bash", "zsh" or "fish"; throws Error for another shell.
std::string completion_script(const std::string& shell, const CommandLine& line,
                              const std::vector<std::string>& recipes,
                              const std::vector<std::string>& layers);

}  // namespace adjoint
