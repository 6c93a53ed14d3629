# fetch.rb URL: a GET, then a POST of 1 MiB; prints what came back. fetch.rb URL events: a stream, with a word for each event.
require "net/http"

url = URI(ARGV[0])
if ARGV[1] == "events"
  Net::HTTP.start(url.host, url.port, use_ssl: true) do |http|
    http.request_get("/events") do |answer|
      answer.read_body do |piece|
        piece.scan(/^data: (.*)$/) do |data,|
          puts data
          Net::HTTP.post(url + "/ack", "")
        end
      end
    end
  end
else
  print Net::HTTP.get(url)
  print Net::HTTP.post(url, "x" * 1048576).body
end
