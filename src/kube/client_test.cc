// The client and the informer against an API of the test's own, which refuses, repeats and hangs up.
#include "kube/client.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "io/files.h"
#include "io/http_test_support.h"
#include "kube/informer.h"

namespace slipway::kube {
namespace {

using base::ErrorCode;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

const Resource kPods{"", "v1", "pods"};

std::string status(int code, const std::string& reason, const std::string& message) {
  return Json{{"kind", "Status"}, {"code", code}, {"reason", reason}, {"message", message}}.dump();
}

class ApiTest : public ::testing::Test {
 protected:
  struct Answer {
    int status = 200;
    std::string body;
  };
  // What is asked first is answered first; the last answer stands.
  void answer(std::deque<Answer> answers) {
    const std::lock_guard lock(mutex_);
    answers_ = std::move(answers);
  }
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  Client client() {
    const std::filesystem::path file = std::filesystem::temp_directory_path() /
                                       fmt::format("slipway-kubeconfig-{}", server_.endpoint().port);
    const std::string text = fmt::format(
        "current-context: c\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{}'}}}}]\n"
        "contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {{token: "
        "secret}}}}]\n",
        server_.endpoint().port);
    EXPECT_TRUE(io::write_file_atomic(file, text));
    auto opened = Client::open(file);
    EXPECT_TRUE(opened) << opened.error().to_string();
    std::filesystem::remove(file);
    return *std::move(opened);
  }

 private:
  io::Task<> serve(io::Exchange& x) {
    const std::string line = fmt::format("{} {} {}", x.head().method, x.head().target,
                                         x.head().find("authorization").value_or("-"));
    auto body = co_await x.body();
    Answer now;
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(line + (body && !body->empty() ? " " + std::string(*body) : ""));
      now = answers_.front();
      if (answers_.size() > 1) answers_.pop_front();
    }
    (void)co_await x.respond(now.status, {{"Content-Type", "application/json"}}, now.body);
  }
  std::mutex mutex_;
  std::deque<Answer> answers_ = {{404, status(404, "NotFound", "nothing here")}};
  std::vector<std::string> asked_;
  io::test::TestServer server_{[this](io::Exchange& x) { return serve(x); }};
};

TEST_F(ApiTest, PathsAreTheApisOwn) {
  EXPECT_EQ(kPods.path(), "/api/v1/pods");
  EXPECT_EQ(kPods.path("m", "p"), "/api/v1/namespaces/m/pods/p");
  EXPECT_EQ((Resource{"apps", "v1", "deployments"}).path("m"), "/apis/apps/v1/namespaces/m/deployments");
}

TEST_F(ApiTest, AnObjectIsReadWithTheToken) {
  answer({{200, R"({"metadata":{"name":"p"}})"}});
  const auto object = client().get(kPods.path("m", "p"));
  ASSERT_TRUE(object && *object);
  EXPECT_THAT(asked().front(), HasSubstr("GET /api/v1/namespaces/m/pods/p Bearer secret"));
}

TEST_F(ApiTest, WhatIsNotThereIsNothing) {
  const auto object = client().get(kPods.path("m", "p"));
  ASSERT_TRUE(object) << object.error().to_string();
  EXPECT_FALSE(*object);
  EXPECT_EQ(*client().erase(kPods.path("m", "p")), false);
}

TEST_F(ApiTest, ARefusalHasTheApisWords) {
  answer({{403, status(403, "Forbidden", "pods is forbidden: User \"dev\" cannot list resource")}});
  const auto list = client().list(kPods.path());
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().code(), ErrorCode::access_denied);
  EXPECT_THAT(list.error().to_string(), HasSubstr("User \"dev\" cannot list"));
}

TEST_F(ApiTest, AnOverloadedApiIsAskedAgain) {
  answer({{429, status(429, "TooManyRequests", "slow down")}, {503, ""}, {200, R"({"items":[]})"}});
  EXPECT_TRUE(client().list(kPods.path()));
  EXPECT_EQ(asked().size(), 3u);
}

TEST_F(ApiTest, PagesAreJoined) {
  answer(
      {{200, R"({"metadata":{"resourceVersion":"7","continue":"more"},"items":[{"metadata":{"name":"a"}}]})"},
       {200, R"({"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"b"}}]})"}});
  const auto list = client().list(kPods.path(), "slipway.dev/model=x");
  ASSERT_TRUE(list);
  EXPECT_EQ(codec::list(*list, "items").size(), 2u);
  EXPECT_THAT(asked()[0], HasSubstr("labelSelector=slipway.dev%2Fmodel%3Dx"));
  EXPECT_THAT(asked()[1], HasSubstr("continue=more"));
}

TEST_F(ApiTest, ApplyIsServerSideStrictAndOurs) {
  answer({{200, "{}"}});
  ASSERT_TRUE(client().apply(kPods.path("m", "p"), {{"kind", "Pod"}}, true));
  EXPECT_THAT(asked()[0], HasSubstr("PATCH /api/v1/namespaces/m/pods/p?fieldManager=slipway&force=true"
                                    "&fieldValidation=Strict&dryRun=All"));
  EXPECT_THAT(asked()[0], HasSubstr(R"({"kind":"Pod"})"));
}

std::string event(const std::string& type, const std::string& name, int version) {
  return Json{{"type", type},
              {"object",
               {{"metadata",
                 {{"namespace", "m"}, {"name", name}, {"resourceVersion", std::to_string(version)}}}}}}
             .dump() +
         "\n";
}

TEST_F(ApiTest, AWatchTakesLinesAndSaysWhenItsVersionIsTooOld) {
  answer({{200, event("ADDED", "a", 8) + event("DELETED", "a", 9)},
          {200, R"({"type":"ERROR","object":{"code":410,"reason":"Expired","message":"too old"}})"
                "\n"}});
  std::vector<std::string> types;
  Client c = client();
  const auto note = [&](const WatchEvent& e) -> base::Result<void> {
    types.push_back(e.type);
    return {};
  };
  EXPECT_TRUE(c.watch(kPods.path(), "", "7", note));
  EXPECT_THAT(types, ::testing::ElementsAre("ADDED", "DELETED"));
  EXPECT_THAT(asked()[0], HasSubstr("resourceVersion=7"));
  const auto old = c.watch(kPods.path(), "", "9", note);
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().param(), "Expired");
}

// What an informer says, for a test that waits for it.
class Told {
 public:
  Informer::OnChange callback() {
    return [this](const WatchedSet::Objects& objects, const std::string& error) {
      const std::lock_guard lock(mutex_);
      keys_.clear();
      for (const auto& [key, value] : objects) keys_.push_back(key);
      error_ = error;
      changed_.notify_all();
    };
  }
  bool eventually(const std::vector<std::string>& keys, bool with_error = false) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return keys_ == keys && error_.empty() != with_error; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> keys_ = {"nothing yet"};
  std::string error_;
};

TEST_F(ApiTest, AnInformerGoesOnWhereItsWatchEndedAndListsAgainWhenThatIsTooOld) {
  answer(
      {{200,
        R"({"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"namespace":"m","name":"a","resourceVersion":"4"}}]})"},
       {200, event("ADDED", "b", 6)},
       {200, event("ADDED", "b", 6) + event("ADDED", "c", 7)},  // repeats what was seen
       {410, status(410, "Expired", "too old")},
       {200,
        R"({"metadata":{"resourceVersion":"50"},"items":[{"metadata":{"namespace":"m","name":"z","resourceVersion":"49"}}]})"},
       {200, ""}});
  Told told;
  const Informer informer(client(), {.path = kPods.path(), .selector = {}, .first_pause = 1ms},
                          told.callback());
  EXPECT_TRUE(told.eventually({"m/z"}));
  const auto lines = asked();
  ASSERT_GE(lines.size(), 5u);
  EXPECT_THAT(lines[1], HasSubstr("resourceVersion=5"));
  EXPECT_THAT(lines[2], HasSubstr("resourceVersion=6"));
  EXPECT_THAT(lines[3], HasSubstr("resourceVersion=7"));
  EXPECT_THAT(lines[4], ::testing::Not(HasSubstr("watch=true")));
}

TEST_F(ApiTest, WithoutAnApiTheLastObjectsStand) {
  answer(
      {{200,
        R"({"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"namespace":"m","name":"a","resourceVersion":"4"}}]})"},
       {403, status(403, "Forbidden", "no more")}});
  Told told;
  const Informer informer(client(), {.path = kPods.path(), .selector = {}, .first_pause = 1ms},
                          told.callback());
  EXPECT_TRUE(told.eventually({"m/a"}, true));
}

}  // namespace
}  // namespace slipway::kube
