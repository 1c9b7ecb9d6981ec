#include "cli/cluster_top.h"

#include <gtest/gtest.h>

#include <cmath>

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;
using codec::ServingCounters;
using environment::MetricsLook, environment::ReplicaMetrics;

// After `n` requests of 10 prompt and 20 output tokens, half of them answered within 0.1 s, the rest within
// 0.2 s.
ServingCounters after(double n) {
  return {.running = 2,
          .waiting = 1,
          .kv_ratio = 0.25,
          .requests = n,
          .prompt_tokens = 10 * n,
          .output_tokens = 20 * n,
          .prefix_queried = 10 * n,
          .prefix_hit = 5 * n,
          .ttft = {{0.1, n / 2}, {0.2, n}, {INFINITY, n}}};
}
ReplicaMetrics replica(const char* name, std::optional<ServingCounters> counters) {
  return {.model = "qwen", .replica = name, .counters = std::move(counters)};
}
MetricsLook look(base::Duration at, std::vector<ReplicaMetrics> replicas) {
  return {.at = base::MonotonicTime(at), .models = {"qwen"}, .replicas = std::move(replicas)};
}
Json model(const MetricsLook& before, const MetricsLook& now) {
  return top_between(before, now, base::WallTime()).at("models").at(0);
}

TEST(ClusterTop, RatesAreOfAllReplicasBetweenTwoLooks) {
  auto now = look(12s, {replica("a", after(110)), replica("b", after(220))});
  now.replicas[0].processors = 1.5;
  now.replicas[1].processors = 0.5;
  now.replicas[1].memory_bytes = 3e9;
  const Json m = model(look(10s, {replica("a", after(100)), replica("b", after(200))}), now);
  EXPECT_EQ(m["requests_per_s"], 15.0);
  EXPECT_EQ(m["prompt_tokens_per_s"], 150.0);
  EXPECT_EQ(m["output_tokens_per_s"], 300.0);
  EXPECT_EQ(m["running"], 4.0);
  EXPECT_EQ(m["waiting"], 2.0);
  EXPECT_EQ(m["kv_ratio"], 0.25);
  EXPECT_EQ(m["prefix_hit_ratio"], 0.5);
  EXPECT_EQ(m["ttft_ms_p50"], 100.0);
  EXPECT_EQ(m["ttft_ms_p99"], 198.0);
  EXPECT_EQ(m["cpu_percent"], 200.0);
  EXPECT_EQ(m["resident_bytes"], 3e9);
}

TEST(ClusterTop, WhatAServerDoesNotCountIsNotKnown) {
  ServingCounters bare;
  bare.running = 3;
  const Json m = model(look(10s, {replica("a", bare)}), look(12s, {replica("a", bare)}));
  EXPECT_EQ(m["running"], 3.0);
  for (const char* unknown :
       {"requests_per_s", "output_tokens_per_s", "waiting", "kv_ratio", "ttft_ms_p50", "cpu_percent"})
    EXPECT_TRUE(m[unknown].is_null()) << unknown;
}

TEST(ClusterTop, AReplicaThatIsNewOrWasStartedAnewAddsNoRate) {
  const Json m =
      model(look(10s, {replica("a", after(100)), replica("b", after(900))}),
            look(12s, {replica("a", after(104)), replica("b", after(3)), replica("c", after(5000))}));
  EXPECT_EQ(m["requests_per_s"], 2.0);
  EXPECT_EQ(m["running"], 6.0) << "what runs now is known of all three";
}

TEST(ClusterTop, AReplicaThatCouldNotBeAskedIsNamed) {
  auto now = look(12s, {replica("a", {})});
  now.replicas[0].why_not = "forbidden";
  const Json top = top_between(look(10s, {}), now, base::WallTime());
  EXPECT_EQ(top["not_read"], Json::array({{{"replica", "a"}, {"why", "forbidden"}}}));
  EXPECT_TRUE(top["models"][0]["running"].is_null());
}

}  // namespace
}  // namespace slipway::cli
