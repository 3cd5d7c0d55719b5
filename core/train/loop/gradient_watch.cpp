#include "core/train/loop/gradient_watch.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "core/base/text.h"
#include "core/update/parameter_groups.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr std::int64_t kChunk = 1 << 16;  // elements looked at together
constexpr std::size_t kMostNames = 8;

// Whether a number is not 0: one that has more bits than its sign.
template <class Word>
bool any_number(std::span<const std::byte> bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(Word)) {
    Word word;
    std::memcpy(&word, bytes.data() + at, sizeof(Word));
    if (static_cast<Word>(word << 1) != 0) return true;
  }
  return false;
}

bool any_number(std::span<const std::byte> bytes, std::size_t size) {
  if (size == 2) return any_number<std::uint16_t>(bytes);
  return size == 4 ? any_number<std::uint32_t>(bytes) : any_number<std::uint64_t>(bytes);
}

}  // namespace

GradientWatch::GradientWatch(const ParameterSlab& slab, const std::vector<ParameterGroup>& groups)
    : gradient_(slab.gradient), silent_(slab.parameters) {
  std::erase_if(silent_, [&](const ParameterRange& parameter) {
    const ParameterGroup* group = group_of(parameter, groups);
    return parameter.count() == 0 || (group != nullptr && group->lr_scale == 0);
  });
}

bool GradientWatch::has_gradient(Stream& stream, const ParameterRange& parameter) {
  const std::size_t size = size_of(gradient_.dtype());
  const auto* data = static_cast<const std::byte*>(gradient_.data());
  for (std::int64_t begin = 0; begin < parameter.count(); begin += kChunk) {
    chunk_.resize(std::size_t(std::min(kChunk, parameter.count() - begin)) * size);
    copy_to_host(stream, chunk_.data(), data + std::size_t(parameter.offset + begin) * size,
                 chunk_.size());
    stream.synchronize();
    if (any_number(chunk_, size)) return true;
  }
  return false;
}

void GradientWatch::look(Stream& stream) {
  std::erase_if(silent_,
                [&](const ParameterRange& parameter) { return has_gradient(stream, parameter); });
  ++looked_;
}

std::string GradientWatch::take_note() {
  if (said_ || looked_ < kUpdates || silent_.empty()) return "";
  said_ = true;
  std::vector<std::string> names;
  for (const ParameterRange& parameter :
       std::span(silent_).first(std::min(silent_.size(), kMostNames)))
    names.push_back(parameter.name);
  const std::size_t more = silent_.size() - names.size();
  return str("no gradient moved ", join(names, ", "), more > 0 ? str(" and ", more, " more") : "",
             " in the first ", kUpdates,
             " updates: every number of it was 0, as before ReLUs that are dead for all samples; "
             "try another weight_init or a lower [optim] lr, or leave out what learns nothing");
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
