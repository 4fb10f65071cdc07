#include "mec/eval/run_report/page.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string_view>

#include <nlohmann/json.hpp>

#include "mec/eval/run_report/embedded.h"
#include "mec/tensor/error.h"

namespace mec::report {

namespace {

using Json = nlohmann::ordered_json;

// Each picture once, however often it is shown.
class Pictures {
 public:
  // Its place in the list; −1 without one.
  int add(const std::string& uri) {
    if (uri.empty()) return -1;
    const auto [place, is_new] = places_.try_emplace(uri, static_cast<int>(list_.size()));
    if (is_new) list_.push_back(uri);
    return place->second;
  }
  const Json& list() const { return list_; }

 private:
  std::map<std::string, int> places_;
  Json list_ = Json::array();
};

// Six digits: what a curve shows, in a short text.
Json rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return std::strtod(text, nullptr);
}

Json curve_json(const Curve& curve) {
  Json steps = Json::array(), values = Json::array();
  for (const double step : curve.steps) steps.push_back(static_cast<std::int64_t>(step));
  for (const double value : curve.values) values.push_back(rounded(value));
  return {{"name", curve.name}, {"steps", steps}, {"values", values}};
}

Json tile_json(const Tile& tile, Pictures& pictures) {
  return {{"picture", pictures.add(tile.picture)},
          {"name", tile.name},
          {"class", tile.class_name},
          {"cosine", rounded(tile.cosine)}};
}

Json views_json(const RunReport& run, Pictures& pictures) {
  Json rows = Json::array();
  for (const ViewRow& row : run.views) {
    Json views = Json::array();
    for (const std::string& view : row.views) views.push_back(pictures.add(view));
    rows.push_back({{"image", tile_json(row.image, pictures)}, {"views", views}});
  }
  return {{"per_draw", run.views_per_draw}, {"rows", rows}};
}

Json neighbours_json(const RunReport& run, Pictures& pictures) {
  Json rows = Json::array();
  for (const NeighbourRow& row : run.neighbours) {
    Json nearest = Json::array();
    for (const Tile& tile : row.nearest) nearest.push_back(tile_json(tile, pictures));
    rows.push_back({{"query", tile_json(row.query, pictures)}, {"nearest", nearest}});
  }
  return {{"text", run.neighbours_text}, {"rows", rows}};
}

Json plane_json(const Plane& plane, Pictures& pictures) {
  Json xy = Json::array();
  for (const float value : plane.xy) xy.push_back(rounded(static_cast<double>(value)));
  return {{"xy", xy},
          {"labels", plane.labels},
          {"names", plane.names},
          {"classes", plane.classes},
          {"sheet", pictures.add(plane.sheet)},
          {"columns", plane.columns},
          {"side", plane.side},
          {"text", plane.text}};
}

Json confusion_json(const Confusion& confusion) {
  Json cells = Json::array();
  for (const auto& [pair, count] : confusion.counts) cells.push_back({pair.first, pair.second, count});
  return {{"classes", confusion.classes}, {"cells", cells}, {"text", confusion.text}};
}

Json table_json(const RunReport& run) {
  Json rows = Json::array();
  for (const ReportRow& row : run.table) {
    Json line{{"features", row.features}, {"width", row.width}};
    if (row.knn) line["knn"] = *row.knn;
    if (row.linear) line["linear"] = row.linear->accuracy;
    if (row.linear) line["converged"] = row.linear->converged;
    rows.push_back(line);
  }
  return {{"text", run.table_text}, {"rows", rows}};
}

Json run_json(const RunReport& run, Pictures& pictures) {
  Json json{{"name", run.name}, {"folder", run.folder}, {"missing", run.missing}};
  json["facts"] = json["settings"] = json["curves"] = Json::array();
  for (const Fact& fact : run.facts) json["facts"].push_back({fact.name, fact.text});
  for (const SettingLine& line : run.settings) json["settings"].push_back({line.key, line.value, line.standard});
  for (const Curve& curve : run.curves) json["curves"].push_back(curve_json(curve));
  json["table"] = table_json(run);
  json["views"] = views_json(run, pictures);
  json["neighbours"] = neighbours_json(run, pictures);
  if (run.plane) json["plane"] = plane_json(*run.plane, pictures);
  if (run.confusion) json["confusion"] = confusion_json(*run.confusion);
  return json;
}

// Within a script element no text may look like its end; bytes that are not UTF-8 become U+FFFD.
std::string for_script(const Json& json) {
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    if (c == '<') safe += "\\u003c";
    else safe += c;
  }
  return safe;
}

// Without the name of a file that is for the library's own authors, and not there.
std::string_view without_source_map(std::string_view text) {
  std::size_t end = text.rfind("//# sourceMappingURL=");
  if (end == std::string_view::npos) end = text.rfind("/*# sourceMappingURL=");
  return text.substr(0, end);
}

}  // namespace

bool draws_curves() { return !embedded::dygraph_min_js.empty(); }

std::string make_page(const Report& report) {
  Pictures pictures;
  Json data{{"machine", report.machine}, {"runs", Json::array()}};
  for (const RunReport& run : report.runs) data["runs"].push_back(run_json(run, pictures));
  data["pictures"] = pictures.list();
  const std::string json = for_script(data);
  const std::map<std::string_view, std::string_view> parts{{"report.css", embedded::report_css},
                                                           {"dygraph.css", without_source_map(embedded::dygraph_min_css)},
                                                           {"dygraph.js", without_source_map(embedded::dygraph_min_js)},
                                                           {"curves.js", embedded::curves_js},
                                                           {"plane.js", embedded::plane_js},
                                                           {"report.js", embedded::report_js},
                                                           {"data", json}};
  std::string page;
  std::string_view rest = embedded::report_html;
  for (std::size_t begin = rest.find("{{"); begin != std::string_view::npos; begin = rest.find("{{")) {
    const std::size_t end = rest.find("}}", begin);
    page += rest.substr(0, begin);
    page += parts.at(rest.substr(begin + 2, end - begin - 2));
    rest = rest.substr(end + 2);
  }
  return page.append(rest);
}

}  // namespace mec::report
