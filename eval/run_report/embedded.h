// The page's parts, which the build takes from eval/run_report/page/ and from dygraphs.
#pragma once

#include <string_view>

namespace mec::report::embedded {

extern const std::string_view report_html, report_css, report_js, curves_js, plane_js;
// Empty where the build found no dygraphs.
extern const std::string_view dygraph_min_js, dygraph_min_css;

}  // namespace mec::report::embedded
