import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * Fetch VERSION URL: a GET, then a POST of 1 MiB; prints what came back. Fetch VERSION URL events: a stream, with a word for each event.
 * Fetch VERSION URL chat: a text over a WebSocket and back. The version is HTTP_1_1, or HTTP_2, which is the default of the client.
 */
class Fetch {
  public static void main(String[] args) throws Exception {
    var client = HttpClient.newBuilder().version(HttpClient.Version.valueOf(args[0])).build();
    var url = args[1];
    switch (args.length > 2 ? args[2] : "fetch") {
      case "events" -> events(client, url);
      case "chat" -> chat(client, url);
      default -> {
        show(client, HttpRequest.newBuilder(URI.create(url)));
        show(client, HttpRequest.newBuilder(URI.create(url)).POST(BodyPublishers.ofString("x".repeat(1 << 20))));
      }
    }
  }

  static void show(HttpClient client, HttpRequest.Builder request) throws Exception {
    System.out.print(client.send(request.build(), BodyHandlers.ofString()).body());
  }

  static void events(HttpClient client, String url) throws Exception {
    var lines = client.send(HttpRequest.newBuilder(URI.create(url + "events")).build(), BodyHandlers.ofLines()).body();
    var acknowledge = HttpRequest.newBuilder(URI.create(url + "ack")).POST(BodyPublishers.noBody()).build();
    for (var line : (Iterable<String>) lines::iterator) {
      if (!line.startsWith("data: ")) continue;
      System.out.println(line.substring(6));
      client.send(acknowledge, BodyHandlers.discarding());
    }
  }

  static void chat(HttpClient client, String url) throws Exception {
    var received = new LinkedBlockingQueue<String>();
    var listener = new WebSocket.Listener() {
      public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
        received.add(data.toString());
        socket.request(1);
        return null;
      }
    };
    var socket = client.newWebSocketBuilder().buildAsync(URI.create(url), listener).join();
    socket.sendText("hello", true).join();
    System.out.println(received.take());
    socket.sendClose(WebSocket.NORMAL_CLOSURE, "").join();
  }
}
