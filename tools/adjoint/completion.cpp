#include "tools/adjoint/completion.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"

namespace adjoint {
namespace {

struct Words {
  std::string recipes, layers;
};

// For all three shells: in single quotes, one line.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c == '\n' ? ' ' : c;
  }
  return out + "'";
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string flag_names(const CompletionTopic& topic) {
  std::vector<std::string> names;
  for (const CompletionFlag& flag : topic.flags)
    names.insert(names.end(), flag.names.begin(), flag.names.end());
  return join(names, " ");
}

std::string command_names(const CommandLine& line) {
  std::vector<std::string> names;
  for (const CompletionTopic& topic : line.topics)
    if (!topic.command.empty()) names.push_back(topic.command);
  return join(names, " ");
}

// The words an argument may be; empty where they are files, folders or anything.
std::string argument_words(const CompletionFlag& flag, const Words& words) {
  if (!flag.choices.empty()) return join(flag.choices, " ");
  if (flag.argument == ArgumentKind::recipe) return words.recipes;
  if (flag.argument == ArgumentKind::recipe_or_layer) return words.recipes + " " + words.layers;
  return "";
}

bool takes_files(ArgumentKind kind) {
  return kind == ArgumentKind::file || kind == ArgumentKind::recipe ||
         kind == ArgumentKind::recipe_or_layer;
}

// ---- bash

// A word list for compgen, which splits at $IFS: line ends here, so that names of files may have
// blanks.
std::string bash_list(std::string words) {
  std::ranges::replace(words, ' ', '\n');
  return str("$(compgen -W '", words, "' -- \"$word\")");
}

std::string bash_reply(const CompletionFlag& flag, const Words& words) {
  const std::string list = argument_words(flag, words);
  std::string reply = "COMPREPLY=(";
  if (!list.empty()) reply += bash_list(list);
  // Beside names, for recipes and files are often named by paths.
  if (takes_files(flag.argument))
    reply += str(list.empty() ? "" : " ", "$(compgen -f -- \"$word\")");
  if (flag.argument == ArgumentKind::folder) reply += "$(compgen -d -- \"$word\")";
  return reply + ")";
}

std::string bash_topic(const CommandLine& line, const CompletionTopic& topic, const Words& words) {
  std::string text = str("    ", topic.command.empty() ? "''" : topic.command, ")\n");
  text += "      case $before in\n";
  for (const CompletionFlag& flag : topic.flags)
    if (flag.argument != ArgumentKind::none)
      text +=
          str("        ", join(flag.names, "|"), ") ", bash_reply(flag, words), "; return ;;\n");
  text += "      esac\n";
  text += str("      if [[ $word == -* ]]; then COMPREPLY=(", bash_list(flag_names(topic)), ")\n");
  if (topic.command.empty())
    text += str("      else COMPREPLY=(", bash_list(command_names(line)), ")\n");
  for (std::size_t i = 0; i < topic.positionals.size(); ++i) {
    const CompletionFlag& positional = topic.positionals[i];
    text += str("      elif [[ $place -", positional.repeats ? "ge " : "eq ", i, " ]]; then ",
                bash_reply(positional, words), "\n");
  }
  return text + "      fi ;;\n";
}

// Flags that take an argument, of all commands: what stands behind one is no positional.
std::string argument_flags(const CommandLine& line) {
  std::vector<std::string> names;
  for (const CompletionTopic& topic : line.topics)
    for (const CompletionFlag& flag : topic.flags)
      if (flag.argument != ArgumentKind::none)
        names.insert(names.end(), flag.names.begin(), flag.names.end());
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return join(names, "|");
}

std::string bash_script(const CommandLine& line, const Words& words) {
  std::string text =
      "# Completion of adjoint in bash: source <(adjoint completion bash)\n"
      "_adjoint() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local command='' place=0 i IFS=$'\\n'\n"
      "  COMPREPLY=()\n"
      "  [[ $COMP_CWORD -gt 1 ]] && command=${COMP_WORDS[1]}\n"
      "  for ((i = 2; i < COMP_CWORD; ++i)); do\n"
      "    case ${COMP_WORDS[i]} in\n";
  text += str("      ", argument_flags(line), ") ((++i)) ;;\n");
  text += "      -*) ;;\n      *) ((++place)) ;;\n    esac\n  done\n  case $command in\n";
  for (const CompletionTopic& topic : line.topics) text += bash_topic(line, topic, words);
  return text + "  esac\n}\ncomplete -o filenames -F _adjoint adjoint\n";
}

// ---- zsh

std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : first_line(text)) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_action(const CompletionFlag& flag, const Words& words) {
  const std::string list = argument_words(flag, words);
  if (flag.argument == ArgumentKind::folder) return "_files -/";
  if (flag.argument == ArgumentKind::file) return "_files";
  if (list.empty()) return " ";
  // Names, or else files.
  return takes_files(flag.argument) ? str("{compadd -- ", list, "; _files}") : str("(", list, ")");
}

std::string zsh_topic(const CompletionTopic& topic, const Words& words) {
  std::string text = str("    ", topic.command, ")\n      _arguments");
  for (const CompletionFlag& flag : topic.flags)
    for (const std::string& name : flag.names) {
      std::string spec = str("*", name, "[", zsh_text(flag.help), "]");
      if (flag.argument != ArgumentKind::none) spec += str(":value:", zsh_action(flag, words));
      text += str(" \\\n        ", quoted(spec));
    }
  for (std::size_t i = 0; i < topic.positionals.size(); ++i) {
    const std::string place =
        topic.positionals[i].repeats ? std::string("*") : std::to_string(i + 1);
    text += str(" \\\n        ",
                quoted(str(place, ":argument:", zsh_action(topic.positionals[i], words))));
  }
  return text + " ;;\n";
}

std::string zsh_script(const CommandLine& line, const Words& words) {
  std::string text =
      "#compdef adjoint\n"
      "# Completion of adjoint in zsh: source <(adjoint completion zsh), after compinit\n"
      "_adjoint() {\n"
      "  local -a commands\n"
      "  commands=(\n";
  for (const CompletionTopic& topic : line.topics)
    if (!topic.command.empty())
      text += str("    ", quoted(str(topic.command, ":", zsh_text(topic.help))), "\n");
  text += "  )\n  if ((CURRENT == 2)); then\n";
  text += str("    [[ $PREFIX == -* ]] && compadd -- ", flag_names(line.topics.at(0)),
              " || _describe command commands\n    return\n  fi\n");
  text += "  local command=$words[2]\n  shift words\n  ((--CURRENT))\n  case $command in\n";
  for (const CompletionTopic& topic : line.topics)
    if (!topic.command.empty()) text += zsh_topic(topic, words);
  return text + "  esac\n}\ncompdef _adjoint adjoint\n";
}

// ---- fish

std::string fish_argument(const CompletionFlag& flag, const Words& words) {
  const std::string list = argument_words(flag, words);
  std::string text;
  if (takes_files(flag.argument)) text += " -F";
  if (flag.argument == ArgumentKind::folder) text += " -a '(__fish_complete_directories)'";
  if (!list.empty()) text += str(" -a ", quoted(list));
  return text;
}

std::string fish_flag(const std::string& condition, const CompletionFlag& flag,
                      const Words& words) {
  std::string text = str("complete -c adjoint", condition);
  for (const std::string& name : flag.names)
    text += name.starts_with("--") ? str(" -l ", name.substr(2)) : str(" -s ", name.substr(1));
  // -x: the argument, and nothing but what is offered; -r: or a file.
  if (flag.argument != ArgumentKind::none)
    text += str(takes_files(flag.argument) ? " -r" : " -x", fish_argument(flag, words));
  return str(text, " -d ", quoted(first_line(flag.help)), "\n");
}

std::string fish_script(const CommandLine& line, const Words& words) {
  std::string text =
      "# Completion of adjoint in fish: adjoint completion fish | source\n"
      "complete -c adjoint -f\n";
  for (const CompletionTopic& topic : line.topics) {
    const bool program = topic.command.empty();
    const std::string condition =
        program ? std::string(" -n __fish_use_subcommand")
                : str(" -n ", quoted("__fish_seen_subcommand_from " + topic.command));
    if (!program)
      text += str("complete -c adjoint -n __fish_use_subcommand -a ", topic.command, " -d ",
                  quoted(first_line(topic.help)), "\n");
    for (const CompletionFlag& flag : topic.flags) text += fish_flag(condition, flag, words);
    for (const CompletionFlag& positional : topic.positionals) {
      const std::string argument = fish_argument(positional, words);
      if (!argument.empty()) text += str("complete -c adjoint", condition, argument, "\n");
    }
  }
  return text;
}

}  // namespace

std::string completion_script(const std::string& shell, const CommandLine& line,
                              const std::vector<std::string>& recipes,
                              const std::vector<std::string>& layers) {
  const Words words{join(recipes, " "), join(layers, " ")};
  if (shell == "bash") return bash_script(line, words);
  if (shell == "zsh") return zsh_script(line, words);
  ADJOINT_CHECK(shell == "fish", "completion: expected bash, zsh or fish, got ", shell);
  return fish_script(line, words);
}

}  // namespace adjoint
