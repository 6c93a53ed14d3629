# fetch.pl CLIENT URL: a GET, then a POST of 1 MiB; prints what came back. fetch.pl CLIENT URL events: a stream, with a word for each event.
use strict;
use warnings;
use feature 'say';

my ($client, $url, $events) = @ARGV;
my $body = 'x' x 1048576;

sub by_lwp {
    require LWP::UserAgent;
    my $agent = LWP::UserAgent->new;
    if ($events) {
        my $show = sub {
            return unless $_[0] =~ /^data: (.*)$/m;
            say $1;
            LWP::UserAgent->new->post("${url}ack");
        };
        $agent->get("${url}events", ':content_cb' => $show);
        return;
    }
    print $agent->get($url)->decoded_content;
    print $agent->post($url, Content => $body)->decoded_content;
}

sub by_http_tiny {
    require HTTP::Tiny;
    my $agent = HTTP::Tiny->new(verify_SSL => 1);
    if ($events) {
        my $show = sub {
            return unless $_[0] =~ /^data: (.*)$/m;
            say $1;
            HTTP::Tiny->new(verify_SSL => 1)->post("${url}ack");
        };
        $agent->get("${url}events", { data_callback => $show });
        return;
    }
    print $agent->get($url)->{content};
    print $agent->post($url, { content => $body })->{content};
}

$| = 1;
{ 'LWP' => \&by_lwp, 'HTTP::Tiny' => \&by_http_tiny }->{$client}->();
