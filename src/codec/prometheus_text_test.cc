#include "codec/prometheus_text.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "codec/serving_metrics.h"

namespace slipway::codec {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;
using ::testing::Pair;

std::vector<std::string> samples(std::string_view text) {
  std::vector<std::string> out;
  read_prometheus(text, [&](const PrometheusSample& s) {
    out.push_back(fmt::format("{}|{}|{:g}", s.name, s.labels, s.value));
  });
  return out;
}

TEST(PrometheusText, SamplesAreReadAndCommentsPassedOver) {
  EXPECT_THAT(
      samples("# HELP a b\n# TYPE a counter\na 1\na:b_c{x=\"1\"} 2.5e3 1700000000\r\n  d\t{ } -3\ne +Inf"),
      ElementsAre("a||1", "a:b_c|x=\"1\"|2500", "d| |-3", "e||inf"));
}

TEST(PrometheusText, ALineThatIsNoneIsPassedOver) {
  EXPECT_THAT(samples("a{x=\"1\" 1\na{x=\"}\"} 1\na{x=\"\\\"}\"} 2\n{} 1\na\na b\na 0x10\n\n"),
              ElementsAre("a|x=\"}\"|1", "a|x=\"\\\"}\"|2"));
}

TEST(PrometheusText, LabelsAreFoundByNameAndUnescaped) {
  const std::string_view labels = R"(a="1", le="+Inf",path="C:\\x \"y\"\n",)";
  EXPECT_EQ(prometheus_label(labels, "a"), "1");
  EXPECT_EQ(prometheus_label(labels, "le"), "+Inf");
  EXPECT_EQ(prometheus_label(labels, "path"), "C:\\x \"y\"\n");
  EXPECT_EQ(prometheus_label(labels, "e"), "");
  EXPECT_EQ(prometheus_label("a=1", "a"), "");
}

ServingCounters metrics_of(const char* file) {
  std::ifstream in(std::string(SLIPWAY_SOURCE_DIR) + "/tests/fuzz/prometheus_text/" + file);
  std::ostringstream text;
  text << in.rdbuf();
  return read_serving_metrics(text.str());
}

TEST(ServingMetrics, VllmsSeriesAreSummedOverItsEngines) {
  const ServingCounters m = metrics_of("vllm.txt");
  EXPECT_THAT(m.running, Optional(5.0));
  EXPECT_THAT(m.waiting, Optional(7.0));
  EXPECT_THAT(m.kv_ratio, Optional(0.5)) << "a ratio is a mean";
  EXPECT_THAT(m.requests, Optional(42.0));
  EXPECT_THAT(m.prompt_tokens, Optional(9000.0));
  EXPECT_THAT(m.output_tokens, Optional(1234.0));
  EXPECT_THAT(m.prefix_queried, Optional(4096.0));
  EXPECT_THAT(m.prefix_hit, Optional(1024.0));
  EXPECT_THAT(m.ttft, ElementsAre(Pair(0.1, 10), Pair(0.5, 40), Pair(INFINITY, 42)));
}

TEST(ServingMetrics, TritonsAreItsOwn) {
  const ServingCounters m = metrics_of("triton.txt");
  EXPECT_THAT(m.requests, Optional(17.0));
  EXPECT_THAT(m.waiting, Optional(2.0));
  EXPECT_FALSE(m.running || m.prompt_tokens) << "what a server does not say is not known";
  EXPECT_THAT(m.ttft, ElementsAre(Pair(0.1, 8), Pair(0.5, 16), Pair(INFINITY, 17)));
}

TEST(ServingMetrics, EachServersNameIsKnownAndTheFirstOneCounts) {
  for (const char* text :
       {"vllm:num_requests_running 4", "num_requests_running 4", "ray_vllm_num_requests_running 4",
        "llm_requests_running{model=\"m\"} 4", "llamacpp:requests_processing 4",
        "llm_requests_running 9\nvllm:num_requests_running 4"})
    EXPECT_THAT(read_serving_metrics(text).running, Optional(4.0)) << text;
  EXPECT_FALSE(read_serving_metrics("num_requests_running_by_somebody 4\nnum_requests_running NaN").running);
}

}  // namespace
}  // namespace slipway::codec
