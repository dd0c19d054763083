# Perl: connect, say hello, read the answer.
use strict;
use warnings;
use IO::Socket::INET;

my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $ARGV[0], Timeout => 3) or die "$@\n";
$socket->autoflush(1);
print $socket "hello\n";
alarm 3;
print "the server says ", scalar <$socket>;
