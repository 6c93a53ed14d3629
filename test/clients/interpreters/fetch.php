<?php
// fetch.php CLIENT URL: a GET, then a POST of 1 MiB; prints what came back. fetch.php CLIENT URL events: a stream, with a word for each event.
[, $client, $url] = $argv;
$body = str_repeat('x', 1048576);

function byCurl(string $url, array $options = []): string
{
    $handle = curl_init($url);
    curl_setopt_array($handle, [CURLOPT_RETURNTRANSFER => true, CURLOPT_FAILONERROR => true] + $options);
    $answer = curl_exec($handle);
    if ($answer === false) {
        fwrite(STDERR, curl_error($handle) . "\n");
    }
    return (string) $answer;
}

// PHP's own streams read no proxy variable.
function byStream(string $url, array $options = []): string
{
    $http = $options + ['proxy' => str_replace('http://', 'tcp://', getenv('https_proxy'))];
    return (string) file_get_contents($url, false, stream_context_create(['http' => $http]));
}

function show($handle, string $piece): int
{
    global $url;
    if (preg_match('/^data: (.*)$/m', $piece, $found)) {
        echo $found[1], "\n";
        byCurl("{$url}ack", [CURLOPT_POSTFIELDS => '']);
    }
    return strlen($piece);
}

if (isset($argv[3])) {
    byCurl("{$url}events", [CURLOPT_WRITEFUNCTION => 'show']);
} elseif ($client === 'curl') {
    echo byCurl($url), byCurl($url, [CURLOPT_POSTFIELDS => $body]);
} else {
    echo byStream($url), byStream($url, ['method' => 'POST', 'header' => 'Content-Type: text/plain', 'content' => $body]);
}
