#include "environment/chart_archive.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "io/files.h"
#include "io/http_test_support.h"
#include "io/tool.h"
#include "store/test_folder.h"

namespace slipway::environment {
namespace {

using base::ErrorCode;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class ChartArchives : public ::testing::Test {
 protected:
  void SetUp() override {
    const fs::path source = folder_.path / "project-1.0";
    fs::create_directories(source / "dist/chart/templates");
    fs::create_directories(source / "other/chart");
    ASSERT_TRUE(io::write_file_atomic(source / "dist/chart/Chart.yaml", "name: project\n"));
    ASSERT_TRUE(io::write_file_atomic(source / "dist/chart/templates/a.yaml", "kind: A\n"));
    ASSERT_TRUE(io::write_file_atomic(source / "other/chart/Chart.yaml", "name: other\n"));
    const auto tar = io::find_tool(
        {.name = "tar", .version_arguments = {"--version"}, .minimum = "1.26", .how_to_get = ""});
    ASSERT_TRUE(tar);
    const auto packed =
        io::call_tool(*tar, {.arguments = {"-czf", "-", "-C", folder_.path.string(), "project-1.0"}});
    ASSERT_TRUE(packed && packed->ok());
    archive_ = packed->out;
  }
  io::Task<> serve(io::Exchange& x) {
    ++asked_;
    (void)co_await x.respond(x.head().path() == "/project.tar.gz" ? 200 : 404, {}, archive_);
  }
  std::string url(std::string_view file) {
    return fmt::format("http://127.0.0.1:{}/{}", server_.endpoint().port, file);
  }

  store::TestFolder folder_;
  std::string archive_;
  std::atomic<int> asked_{0};
  fs::path chart_ = folder_.path / "charts/project-1.0";
  io::test::TestServer server_{[this](io::Exchange& x) { return serve(x); }};
};

TEST_F(ChartArchives, OnlyTheChartIsUnpackedAndOnlyOnce) {
  for (int i = 0; i < 2; ++i) {
    const auto done = unpack_chart({url("project.tar.gz"), "dist/chart"}, chart_);
    ASSERT_TRUE(done) << done.error().to_string();
  }
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(*io::read_file(chart_ / "Chart.yaml"), "name: project\n");
  EXPECT_EQ(*io::read_file(chart_ / "templates/a.yaml"), "kind: A\n");
}

TEST_F(ChartArchives, AnArchiveWithoutTheChartLeavesNothing) {
  const auto done = unpack_chart({url("project.tar.gz"), "charts/project"}, chart_);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::addon_failed);
  EXPECT_THAT(done.error().to_string(), HasSubstr("no chart in charts/project"));
  EXPECT_TRUE(fs::is_empty(chart_.parent_path()));
}

TEST_F(ChartArchives, ATornArchiveIsRefusedAndTheNextRunGetsItWhole) {
  const std::string whole = archive_;
  archive_.resize(archive_.size() / 2);
  const ArchivedChart chart{url("project.tar.gz"), "dist/chart"};
  ASSERT_FALSE(unpack_chart(chart, chart_));
  archive_ = whole;
  ASSERT_TRUE(unpack_chart(chart, chart_));
  EXPECT_TRUE(fs::exists(chart_ / "templates/a.yaml"));
}

TEST_F(ChartArchives, AMissingArchiveNamesItsAddress) {
  const auto done = unpack_chart({url("gone.tar.gz"), "dist/chart"}, chart_);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::download_failed);
  EXPECT_THAT(done.error().to_string(), HasSubstr("gone.tar.gz"));
}

}  // namespace
}  // namespace slipway::environment
