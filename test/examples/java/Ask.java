import cn.leancloud.im.Signature;
import cn.leancloud.im.SignatureFactory;
import cn.leancloud.im.SignatureFactory.SignatureException;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;

/**
 * Asks the example for signatures as the SDK does. Its arguments are the URL of the service, the app, and the client's token.
 *
 * <p>Each line it reads has the name of a method and its arguments, between tabs: a text as the four hex digits of each UTF-16 code
 * unit, so that any string can be given; a list as "=" and such texts, each with a comma after it; null as "-". For each it prints a
 * line: what the app's callback gets.
 */
public final class Ask {
  public static void main(String[] arguments) throws Exception {
    Callable<String> token = () -> {
      if (arguments.length < 3) throw new IllegalStateException("nobody is logged in");
      return arguments[2];
    };
    SignatureFactory factory = new ImSignatureFactory(arguments[0], arguments[1], token);
    PrintStream out = new PrintStream(System.out, true, "UTF-8");
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "US-ASCII"));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] request = line.split("\t");
      try {
        Signature got = ask(factory, request);
        out.println("signature\t" + got.getSignature() + "\t" + got.getTimestamp() + "\t" + got.getNonce());
      } catch (SignatureException e) {
        out.println("exception\t" + e.getCode() + "\t" + e.getMessage());
      }
    }
  }

  private static Signature ask(SignatureFactory factory, String[] request) throws SignatureException {
    switch (request[0]) {
      case "createSignature":
        return factory.createSignature(text(request[1]), texts(request[2]));
      case "createConversationSignature":
        return factory.createConversationSignature(
            text(request[1]), text(request[2]), texts(request[3]), text(request[4]));
      case "createBlacklistSignature":
        return factory.createBlacklistSignature(text(request[1]), text(request[2]), texts(request[3]), text(request[4]));
      default:
        throw new IllegalArgumentException(request[0]);
    }
  }

  /** As the SDK gives it: it cannot be sorted in place. */
  private static List<String> texts(String list) {
    if (list.equals("-")) return null;
    List<String> all = new ArrayList<>();
    for (int from = 1, to; from < list.length(); from = to + 1) {
      to = list.indexOf(',', from);
      all.add(text(list.substring(from, to)));
    }
    return Collections.unmodifiableList(all);
  }

  private static String text(String hex) {
    if (hex.equals("-")) return null;
    StringBuilder units = new StringBuilder();
    for (int i = 0; i < hex.length(); i += 4) units.append((char) Integer.parseInt(hex.substring(i, i + 4), 16));
    return units.toString();
  }
}
