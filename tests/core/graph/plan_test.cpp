// Lifetimes, aliases and places. Each alias is checked both where it must be made and where it
// would be wrong.
#include "core/graph/plan.h"

#include <gtest/gtest.h>

#include <random>

#include "support/plain_layers.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

const Traits kReadsNothing{.backward_reads_x = false};
const Traits kLinear{.backward_reads_x = true};
const Traits kView{.backward_reads_x = false, .view = true};
const Traits kInPlace{.backward_reads_x = false,
                      .backward_reads_y = true,
                      .forward_in_place = true,
                      .backward_in_place = true};
const Traits kAdd{.backward_reads_x = false, .gradients_pass_through = true};
const Traits kLoss{.gradient_in_forward = true};

struct Planned {
  Differentiation differentiation;
  MemoryPlan plan;

  int value(ValueId id) const { return plan.value_region[std::size_t(id)]; }
  int gradient(ValueId id) const { return plan.gradient_region[std::size_t(id)]; }
};

Planned plan(ProgramBuilder& builder, ValueId loss, std::vector<ValueId> kept = {},
             bool reuse = true, const std::vector<ValueId>& seeds = {}) {
  const auto declarations = builder.declare();
  kept.push_back(loss);
  kept.insert(kept.end(), seeds.begin(), seeds.end());
  Planned result;
  result.differentiation = differentiate(
      builder.program, declarations, find_dependents(builder.program, declarations), {loss}, seeds);
  result.plan = plan_memory(builder.program, declarations, result.differentiation,
                            {.kept = kept, .reuse = reuse});
  return result;
}

TEST(Plan, RegionsAliveTogetherNeverOverlap) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<Region> regions;
    for (int i = 0; i < 40; ++i) {
      const int first = int(random() % 30);
      regions.push_back({.name = "",
                         .bytes = random() % 5 == 0 ? 0 : random() % 5000,
                         .first = first,
                         .last = first + int(random() % 8)});
    }
    const std::size_t total = place_regions(regions, true);
    for (const Region& a : regions) {
      EXPECT_EQ(a.offset % kRegionAlignment, 0u);
      EXPECT_LE(a.offset + a.bytes, total);
      for (const Region& b : regions) {
        if (&a == &b || a.last < b.first || b.last < a.first || a.bytes == 0 || b.bytes == 0)
          continue;
        EXPECT_TRUE(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset);
      }
    }
  }
}

TEST(Plan, WithoutReuseNothingSharesMemory) {
  std::vector<Region> regions{{"a", 100, 0, 1}, {"b", 100, 2, 3}};
  EXPECT_EQ(place_regions(regions, true), 256u);
  EXPECT_EQ(place_regions(regions, false), 512u);
  EXPECT_NE(regions[0].offset, regions[1].offset);
}

TEST(Plan, AnActivationDiesAfterTheLastThatNeedsIt) {
  ProgramBuilder b;
  const ValueId x = b.input(64);
  const ValueId h = b.apply({.traits = kLinear, .parameter = true}, {x});
  const ValueId y = b.apply({.traits = kReadsNothing}, {h});  // its backward does not need h
  const ValueId loss = b.apply({.traits = kLoss}, {y});
  const Planned p = plan(b, loss);
  const Region& region = p.plan.regions[std::size_t(p.value(h))];
  EXPECT_EQ(region.first, 0);
  EXPECT_EQ(region.last, 1);
}

TEST(Plan, AViewSharesItsInputsMemoryBothWays) {
  ProgramBuilder b;
  const ValueId h = b.apply({.traits = kLinear, .parameter = true}, {b.input(64)});
  const ValueId v = b.apply({.traits = kView}, {h});
  const ValueId loss = b.apply({.traits = kLoss}, {v});
  const Planned p = plan(b, loss);
  EXPECT_EQ(p.value(h), p.value(v));
  EXPECT_EQ(p.gradient(h), p.gradient(v));
}

TEST(Plan, InPlaceNeedsAnInputNobodyNeedsLater) {
  ProgramBuilder b;
  const ValueId h = b.apply({.traits = kLinear, .parameter = true}, {b.input(64)});
  const ValueId y = b.apply({.traits = kInPlace}, {h});
  const ValueId loss = b.apply({.traits = kLoss}, {y});
  const Planned p = plan(b, loss);
  EXPECT_EQ(p.value(h), p.value(y));
  EXPECT_EQ(p.gradient(h), p.gradient(y));

  const Planned kept = plan(b, loss, {h});
  EXPECT_NE(kept.value(h), kept.value(y)) << "the caller reads h after the step";
  const Planned separate = plan(b, loss, {}, false);
  EXPECT_NE(separate.value(h), separate.value(y));
}

TEST(Plan, InPlaceIsRefusedWhereAnotherReaderComesLater) {
  ProgramBuilder b;
  const ValueId h = b.apply({.traits = kLinear, .parameter = true}, {b.input(64)});
  const ValueId y = b.apply({.traits = kInPlace}, {h});
  const ValueId s = b.apply({.traits = kAdd}, {y, h});
  const ValueId loss = b.apply({.traits = kLoss}, {s});
  const Planned p = plan(b, loss);
  EXPECT_NE(p.value(h), p.value(y));
}

TEST(Plan, InPlaceNeverOverwritesAnInputOfTheGraph) {
  ProgramBuilder b;
  const ValueId x = b.input(64);
  const ValueId y = b.apply({.traits = kInPlace}, {x});
  const ValueId h = b.apply({.traits = kLinear, .parameter = true}, {y});
  const ValueId loss = b.apply({.traits = kLoss}, {h});
  EXPECT_NE(plan(b, loss).value(x), plan(b, loss).value(y));
}

// x -> branch -> add(x, branch): the gradient of the sum is that of both, and the branch's
// contribution to x is added after the branch is done with its own.
TEST(Plan, AResidualConnectionPassesItsGradientThrough) {
  ProgramBuilder b;
  const ValueId x = b.apply({.traits = kLinear, .parameter = true}, {b.input(64)});
  const ValueId branch = b.apply({.traits = kLinear, .parameter = true}, {x});
  const ValueId sum = b.apply({.traits = kAdd}, {x, branch});
  const ValueId loss = b.apply({.traits = kLoss}, {sum});
  const Planned p = plan(b, loss);
  // The branch reads its gradient at the very moment it adds to that of x, so one of the two is a
  // copy.
  EXPECT_NE(p.gradient(x), p.gradient(branch));
  EXPECT_TRUE(p.gradient(x) == p.gradient(sum) || p.gradient(branch) == p.gradient(sum));

  ProgramBuilder deeper;
  const ValueId x2 = deeper.apply({.traits = kLinear, .parameter = true}, {deeper.input(64)});
  const ValueId inner = deeper.apply({.traits = kLinear, .parameter = true}, {x2});
  const ValueId outer = deeper.apply({.traits = kLinear, .parameter = true}, {inner});
  const ValueId sum2 = deeper.apply({.traits = kAdd}, {x2, outer});
  const ValueId loss2 = deeper.apply({.traits = kLoss}, {sum2});
  const Planned q = plan(deeper, loss2);
  EXPECT_EQ(q.gradient(x2), q.gradient(sum2)) << "outer's gradient is dead when inner adds to x2's";
  EXPECT_EQ(q.gradient(outer), q.gradient(sum2));
  EXPECT_NE(q.gradient(inner), q.gradient(sum2)) << "x2's gradient waits there";
}

TEST(Plan, AddingAValueToItselfDoesNotPassThrough) {
  ProgramBuilder b;
  const ValueId x = b.apply({.traits = kLinear, .parameter = true}, {b.input(64)});
  const ValueId sum = b.apply({.traits = kAdd}, {x, x});
  const ValueId loss = b.apply({.traits = kLoss}, {sum});
  const Planned p = plan(b, loss);
  EXPECT_NE(p.gradient(x), p.gradient(sum));
  EXPECT_EQ(p.differentiation.mode(b.program, 1, 0), GradientMode::overwrite);
  EXPECT_EQ(p.differentiation.mode(b.program, 1, 1), GradientMode::accumulate);
}

TEST(Plan, EqualGradientsShareMemoryOnlyWhereBothAreOverwritten) {
  const Traits kEqual{.backward_reads_x = false, .gradients_equal = true};
  ProgramBuilder b;
  const ValueId x = b.input(64);
  const ValueId a = b.apply({.traits = kLinear, .parameter = true}, {x});
  const ValueId c = b.apply({.traits = kLinear, .parameter = true}, {x});
  const ValueId both = b.apply({.traits = kEqual}, {a, c});
  const ValueId loss = b.apply({.traits = kLoss}, {both});
  const Planned shared = plan(b, loss);
  EXPECT_EQ(shared.gradient(a), shared.gradient(c));
  const Planned seeded = plan(b, loss, {}, true, {a});
  EXPECT_NE(seeded.gradient(a), seeded.gradient(c)) << "a's gradient holds its seed as well";
}

TEST(Plan, ThePeakIsWhatTheArenaNeeds) {
  ProgramBuilder b;
  ValueId h = b.input(1024);
  for (int i = 0; i < 6; ++i) h = b.apply({.traits = kLinear, .parameter = true}, {h});
  const ValueId loss = b.apply({.traits = kLoss}, {h});
  const Planned p = plan(b, loss);
  std::size_t end = 0;
  for (const Region& region : p.plan.regions) end = std::max(end, region.offset + region.bytes);
  EXPECT_LE(end, p.plan.arena_bytes);
  EXPECT_LE(p.plan.live_bytes, p.plan.arena_bytes);
  EXPECT_LT(p.plan.arena_bytes, plan(b, loss, {}, false).plan.arena_bytes);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
