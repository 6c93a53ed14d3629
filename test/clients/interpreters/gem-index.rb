# gem-index.rb: in a folder with gems/, writes what makes a registry of it. (`gem generate_index` is no part of newer RubyGems.)
require "fileutils"
require "rubygems/package"
require "zlib"

specs = Dir["gems/*.gem"].map { |file| Gem::Package.new(file).spec }
tuples = specs.map { |spec| [spec.name, spec.version, spec.platform] }
{ "specs" => tuples, "latest_specs" => tuples, "prerelease_specs" => [] }.each do |name, list|
  File.binwrite("#{name}.4.8.gz", Zlib.gzip(Marshal.dump(list)))
end
FileUtils.mkdir_p("quick/Marshal.4.8")
specs.each do |spec|
  File.binwrite("quick/Marshal.4.8/#{spec.full_name}.gemspec.rz", Zlib.deflate(Marshal.dump(spec)))
end
