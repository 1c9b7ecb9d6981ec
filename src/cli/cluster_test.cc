// The verbs of models on a cluster: an API of the test's own, stand-ins for helm and kubectl, and a model
// server at the end of the port-forward. With a real API server: tests/cluster; with real pods:
// tests/cluster/pods.
#include "cli/cluster.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "cli/verb_test.h"

namespace slipway::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kOurPods =
    "GET /api/v1/namespaces/m/pods?limit=500&labelSelector=app.kubernetes.io%2Fpart-of%3Dslipway";
constexpr const char* kModelPods =
    "GET /api/v1/namespaces/m/pods?limit=500&labelSelector=slipway.dev%2Fmodel%3Dqwen";
constexpr const char* kPodsEvents =
    "GET /api/v1/namespaces/m/events?fieldSelector=reason%3DPulled%2CinvolvedObject.kind%3DPod&limit=500";
constexpr const char* kDeployments =
    "GET /apis/apps/v1/namespaces/m/deployments?limit=500&labelSelector=slipway.dev%2Fmodel%3Dqwen";
constexpr const char* kUse =
    "GET "
    "/apis/metrics.k8s.io/v1beta1/namespaces/m/"
    "pods?limit=500&labelSelector=app.kubernetes.io%2Fpart-of%3Dslipway";
constexpr const char* kMetrics = "GET /api/v1/namespaces/m/pods/qwen-a:8000/proxy/metrics";
constexpr const char* kForbidden =
    R"({"kind":"Status","code":403,"reason":"Forbidden","message":"pods \"qwen-a\" is forbidden: cannot get resource \"pods/proxy\""})";

Json ready_pod(const char* framework = "vllm") {
  const auto condition = [](const char* type, const char* time) {
    return Json{{"type", type}, {"status", "True"}, {"lastTransitionTime", time}};
  };
  return {{"metadata",
           {{"name", "qwen-a"},
            {"uid", "u1"},
            {"creationTimestamp", "2026-11-27T07:00:00Z"},
            {"labels", {{"slipway.dev/model", "qwen"}, {"slipway.dev/framework", framework}}},
            {"annotations", {{"slipway.dev/model-id", "Qwen/Qwen3-0.6B"}}}}},
          {"spec", {{"nodeName", "n1"}, {"containers", Json::array({{{"name", "vllm"}}})}}},
          {"status",
           {{"phase", "Running"},
            {"conditions", Json::array({condition("PodScheduled", "2026-11-27T07:00:01Z"),
                                        condition("Ready", "2026-11-27T07:00:45Z")})},
            {"containerStatuses",
             Json::array(
                 {{{"name", "vllm"}, {"state", {{"running", {{"startedAt", "2026-11-27T07:00:14Z"}}}}}}})}}}};
}
std::string items(const Json& all) {
  return Json{{"items", all}}.dump();
}
// A list with one object; braces around one value would not make one.
std::string items_of(const Json& one) {
  Json all = Json::array();
  all.push_back(one);
  return items(all);
}

class ClusterVerb : public VerbTest {
 protected:
  ClusterVerb() {
    const std::filesystem::path bin = home_ / "bin";
    std::filesystem::create_directories(bin);
    program(bin / "helm",
            "case \"$1\" in version) echo v3.16.0;; list) echo '[]';; *) cat >/dev/null;; esac\n");
    program(bin / "kubectl", fmt::format("case \"$*\" in *client*) echo v1.34.0;; *) echo 'Forwarding from "
                                         "127.0.0.1:{} -> 8000' >&2; exec "
                                         "sleep 600;; esac\n",
                                         model_.local().port));
    path_ = std::getenv("PATH");
    setenv("PATH", (bin.string() + ":" + path_).c_str(), 1);
    setenv("SLIPWAY_FAULT_PAUSE_MS", "5", 1);
    const std::string kubeconfig = fmt::format(
        "current-context: c\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{}'}}}}]\n"
        "contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {{}}}}]\n",
        api_.local().port);
    EXPECT_TRUE(io::write_file_atomic(home_ / "kubeconfig", kubeconfig));
    const auto kept = environment::keep_cluster_place(
        *io::user_paths(), "lab", {.kubeconfig = home_ / "kubeconfig", .context = {}, .name_space = "m"});
    EXPECT_TRUE(kept);
    EXPECT_TRUE(io::write_file_atomic(
        home_ / "qwen.yaml",
        "model: Qwen/Qwen3-0.6B\ninference: {serviceName: qwen, framework: vllm, accelerator: cpu}\n"));
    api(kOurPods, items_of(ready_pod()));
    api(kDeployments, items(Json::array()));
    api(kPodsEvents, items(Json::array()));
    // Nothing runs before the deploy; then a replica that is ready.
    api_.on(kModelPods,
            {.body = items(Json::array()), .then = [this] { api(kModelPods, items_of(ready_pod())); }});
  }
  ~ClusterVerb() override {
    setenv("PATH", path_.c_str(), 1);
    unsetenv("SLIPWAY_FAULT_PAUSE_MS");
  }

  static void program(const std::filesystem::path& file, const std::string& text) {
    EXPECT_TRUE(io::write_file_atomic(file, "#!/bin/sh\n" + text, 0755));
  }
  void api(const std::string& call, std::string body, int status = 200) {
    api_.on(call, {.status = status, .body = std::move(body)});
  }
  void model_says(const std::string& call, FakeAnswer answer) { model_.on(call, std::move(answer)); }
  Ran cluster(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--environment", "lab"});
    return ran(arguments);
  }
  std::string values() const { return (home_ / "qwen.yaml").string(); }

  FakeServer model_{domain::Endpoint{.path = "", .host = "127.0.0.1", .port = 0}};
  FakeServer api_{domain::Endpoint{.path = "", .host = "127.0.0.1", .port = 0}};
  std::string path_;
};

constexpr const char* kChat = "POST /v1/chat/completions";
const FakeAnswer kToken{.body = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n",
                        .stream = true};

TEST_F(ClusterVerb, DeployTellsThePhasesAndEndsWithTheFirstToken) {
  model_says(kChat, kToken);
  const Ran r = cluster({"deploy", values()});
  EXPECT_EQ(r.exit_code, 0) << r.err;
  EXPECT_EQ(r.out, "qwen\n");
  for (const char* line : {"deploy qwen to namespace m", "scheduled 1 s", "weights loaded and warmed up 31 s",
                           "ready after 45 s", "first token after"})
    EXPECT_THAT(r.err, HasSubstr(line));
}

TEST_F(ClusterVerb, AProgramGetsThePhases) {
  model_says(kChat, kToken);
  const Json model = Json::parse(cluster({"deploy", values(), "-o", "json"}).out);
  ASSERT_EQ(model["phases"].size(), 3u);
  EXPECT_EQ(model["phases"][2]["phase"], "ready");
  EXPECT_EQ(model["phases"][2]["seconds"], 45.0);
  EXPECT_EQ(model["phases"][2]["start"], "2026-11-27T07:00:00.000Z");
  EXPECT_EQ(model["first_answer"]["what"], "token");
  EXPECT_EQ(model["state"], "ready");
}

TEST_F(ClusterVerb, AModelThatMakesEmbeddingsIsAskedForOne) {
  const FakeAnswer refused{.status = 400,
                           .body = R"({"error":{"message":"does not support Chat Completions API"}})"};
  model_says(kChat, refused);
  model_says("POST /v1/completions", refused);
  model_says("POST /v1/embeddings", {.body = R"({"data":[{"embedding":[0.5]}]})"});
  EXPECT_THAT(cluster({"deploy", values()}).err, HasSubstr("first embedding after"));
}

TEST_F(ClusterVerb, AModelThatIsReadyAndDoesNotAnswerIsAnErrorWithItsWords) {
  model_says(kChat, {.status = 401, .body = R"({"error":{"message":"a key is needed here"}})"});
  const Ran r = cluster({"deploy", values()});
  EXPECT_EQ(r.exit_code, 1);
  for (const char* words : {"E4001", "qwen is ready and does not answer",
                            "POST /v1/chat/completions answered 401: a key is needed", "slipway logs qwen"})
    EXPECT_THAT(r.err, HasSubstr(words));
}

TEST_F(ClusterVerb, AServerThatCannotYetIsAskedAgain) {
  model_.on(kChat, {.status = 503, .body = "not yet", .then = [this] { model_.on(kChat, kToken); }});
  EXPECT_EQ(cluster({"deploy", values()}).exit_code, 0);
  EXPECT_EQ(model_.asked().size(), 2u);
}

TEST_F(ClusterVerb, WithoutAWayToItTheModelIsNotAskedAndThatIsSaid) {
  program(home_ / "bin/kubectl",
          "case \"$*\" in *client*) echo v1.34.0;; *) echo 'error: pods is forbidden' >&2; exit 1;; esac\n");
  const Ran r = cluster({"deploy", values()});
  EXPECT_EQ(r.exit_code, 0) << r.err;
  EXPECT_THAT(r.err, HasSubstr("qwen was not asked for a first answer"));
  EXPECT_THAT(r.err, HasSubstr("pods is forbidden"));
}

TEST_F(ClusterVerb, WithoutWaitingNobodyIsAsked) {
  const Ran r = cluster({"deploy", values(), "--no-wait"});
  EXPECT_EQ(r.out, "qwen\n");
  EXPECT_TRUE(model_.asked().empty());
}

TEST_F(ClusterVerb, ModelsAreThoseOfTheCluster) {
  golden("cluster_models", {"models", "--environment", "lab"});
  EXPECT_EQ(Json::parse(cluster({"models", "-o", "json"}).out)["models"][0]["framework"], "vllm");
  golden("cluster_models_available", {"models", "--available", "--environment", "lab"});
  api(kOurPods, items(Json::array()));
  golden("cluster_models_empty", {"models", "--environment", "lab"});
}

std::string metrics(int requests) {
  return fmt::format(
      "vllm:num_requests_running 3\nvllm:num_requests_waiting 0\nvllm:kv_cache_usage_perc "
      "0.25\nvllm:request_success_total {}\n"
      "vllm:prompt_tokens_total {}\nvllm:generation_tokens_total {}\n",
      requests, 10 * requests, 20 * requests);
}

TEST_F(ClusterVerb, TopIsWhatHappenedBetweenTwoLooks) {
  api_.on(kMetrics, {.body = metrics(100), .then = [this] { api(kMetrics, metrics(200)); }});
  api(kUse,
      R"({"items":[{"metadata":{"name":"qwen-a"},"containers":[{"usage":{"cpu":"1500m","memory":"2Gi"}}]}]})");
  const Json top = Json::parse(cluster({"top", "-o", "json"}).out);
  const Json& m = top["models"][0];
  EXPECT_GT(m["requests_per_s"], 0.0);
  EXPECT_NEAR(number_of(m, "output_tokens_per_s") / number_of(m, "requests_per_s"), 20, 0.01);
  EXPECT_EQ(m["running"], 3.0);
  EXPECT_EQ(m["waiting"], 0.0) << "nobody waits, which is known";
  EXPECT_EQ(m["kv_ratio"], 0.25);
  EXPECT_EQ(m["cpu_percent"], 150.0);
  EXPECT_EQ(m["resident_bytes"], 2147483648.0);
  EXPECT_TRUE(m["ttft_ms_p50"].is_null());
}

TEST_F(ClusterVerb, WhereTheApiServerMayNotLeadThereAPortForwardDoes) {
  api(kMetrics, kForbidden, 403);
  model_says("GET /metrics", {.body = metrics(1)});
  const Ran r = cluster({"top"});
  EXPECT_EQ(r.exit_code, 0) << r.err;
  EXPECT_THAT(r.out, HasSubstr("25 %"));
  EXPECT_THAT(r.out, Not(HasSubstr("could not be asked")));
}

TEST_F(ClusterVerb, WithoutAnyWayTheErrorSaysWhichRightIsMissing) {
  api(kMetrics, kForbidden, 403);
  program(home_ / "bin/kubectl",
          "case \"$*\" in *client*) echo v1.34.0;; *) echo 'error: forbidden' >&2; exit 1;; esac\n");
  const Ran r = cluster({"top"});
  EXPECT_EQ(r.exit_code, 1);
  EXPECT_THAT(r.err, HasSubstr("cannot get resource \"pods/proxy\""));
  EXPECT_THAT(r.err, HasSubstr("pods/portforward"));
}

}  // namespace
}  // namespace slipway::cli
