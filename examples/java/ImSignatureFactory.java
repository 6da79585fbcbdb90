import cn.leancloud.LCException;
import cn.leancloud.im.Signature;
import cn.leancloud.im.SignatureFactory;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.logging.Logger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Signatures of im-signature for LeanCloud's Java SDK 8, on a JVM (8 or newer) or on Android (19 or newer).
 * It needs nothing but the JDK and the SDK. Copy it into a package of yours:
 *
 * <pre>
 * LCIMOptions.getGlobalOptions().setSignatureFactory(
 *     new ImSignatureFactory("https://sign.example.com", "shop", () -&gt; session.token()));
 * </pre>
 */
public final class ImSignatureFactory implements SignatureFactory {
  /** To connect, and for each read: the SDK has one thread for all signatures, and sets no limit. */
  private static final int TIMEOUT_MS = 5_000;

  private static final Logger LOG = Logger.getLogger(ImSignatureFactory.class.getName());

  private final String serviceUrl;
  private final String appId;
  private final Callable<String> token;

  /** @param token gives the token of the user who is logged in; it is asked for each signature. */
  public ImSignatureFactory(String serviceUrl, String appId, Callable<String> token) {
    this.serviceUrl = serviceUrl;
    this.appId = appId;
    this.token = token;
  }

  @Override
  public Signature createSignature(String clientId, List<String> memberIds) throws SignatureException {
    // With members it opens a conversation: the old Android SDK does so, SDK 8 does not.
    if (memberIds != null && !memberIds.isEmpty()) return sign("conversion", memberIds, clientId);
    return sign("login", null, clientId);
  }

  @Override
  public Signature createConversationSignature(
      String conversationId, String clientId, List<String> memberIds, String action) throws SignatureException {
    if ("create".equals(action)) return sign("conversion", memberIds, clientId);
    if ("invite".equals(action) || "kick".equals(action)) return sign(action, memberIds, clientId, conversationId);
    throw failure(LCException.OTHER_CAUSE, "The action \"" + action + "\" is not known");
  }

  @Override
  public Signature createBlacklistSignature(
      String clientId, String conversationId, List<String> memberIds, String action) throws SignatureException {
    if ("conversation-block-clients".equals(action) || "conversation-unblock-clients".equals(action)) {
      return sign(action, memberIds, clientId, conversationId);
    }
    throw failure(LCException.OTHER_CAUSE, "The action \"" + action + "\" is not known");
  }

  private Signature sign(String action, List<String> memberIds, String... ids) throws SignatureException {
    try {
      StringBuilder url = new StringBuilder(serviceUrl).append("/signature/").append(action);
      url.append('/').append(encode(appId));
      for (String id : ids) url.append('/').append(encode(id));
      if (memberIds != null) url.append('/').append(encodeSorted(memberIds));
      return ask(action, url.append("?format=sdk").toString());
    } catch (SignatureException refusal) {
      throw refusal;
    } catch (Exception e) {
      // The SDK catches no other exception: the app's callback would never be called.
      throw failure(LCException.OTHER_CAUSE, "No signature for " + action + ": " + e);
    }
  }

  private Signature ask(String action, String url) throws Exception {
    HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
    connection.setConnectTimeout(TIMEOUT_MS);
    connection.setReadTimeout(TIMEOUT_MS);
    // The token is for the service alone.
    connection.setInstanceFollowRedirects(false);
    connection.setRequestProperty("Authorization", "Bearer " + token.call());
    int status = connection.getResponseCode();
    String answer = read(status < 400 ? connection.getInputStream() : connection.getErrorStream());
    if (status != 200) throw failure(status, "Refused " + action + ": " + status + reason(answer));
    Signature signature = new Signature();
    signature.setSignature(field(answer, "signature", "\"([0-9a-f]{40})\""));
    signature.setTimestamp(Long.parseLong(field(answer, "timestamp", "(\\d+)\\s*[,}]")));
    signature.setNonce(field(answer, "nonce", "\"(\\w+)\""));
    if (signature.getSignature() == null || signature.getNonce() == null) throw new IOException("not a signature");
    return signature;
  }

  /** Of a refusal by the service; empty of any other, such as a proxy's page. */
  private static String reason(String answer) {
    String code = field(answer, "code", "\"(\\w+)\"");
    if (code == null) return "";
    String detail = field(answer, "detail", "\"((?:[^\"\\\\]|\\\\.)*+)\"");
    return " " + code + ": " + detail + " (request " + field(answer, "request_id", "\"([\\w.-]+)\"") + ")";
  }

  /** Java compares strings by UTF-16 code unit, which is the order that is signed. */
  private static String encodeSorted(List<String> memberIds) throws IOException {
    List<String> sorted = new ArrayList<>(memberIds);
    Collections.sort(sorted);
    StringBuilder members = new StringBuilder();
    for (String id : sorted) members.append(members.length() == 0 ? "" : ":").append(encode(id));
    return members.toString();
  }

  /** Refuses what would arrive as another id, or as none: proxies resolve dots, and URLEncoder makes "?" of half a character. */
  private static String encode(String id) throws IOException {
    boolean isDots = ".".equals(id) || "..".equals(id);
    if (id.isEmpty() || isDots || id.contains(":") || !StandardCharsets.UTF_8.newEncoder().canEncode(id)) {
      throw new IOException("\"" + id + "\" cannot be an id");
    }
    return URLEncoder.encode(id, "UTF-8").replace("+", "%20");
  }

  private static String read(InputStream body) throws IOException {
    if (body == null) return "";
    try (InputStream in = body) {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      byte[] buffer = new byte[4096];
      for (int length = in.read(buffer); length != -1; length = in.read(buffer)) bytes.write(buffer, 0, length);
      return bytes.toString("UTF-8");
    }
  }

  /**
   * A field of an answer, which is one flat JSON object: a quote that has no backslash before it, and a colon after it, ends a
   * name and never stands inside a text.
   */
  private static String field(String answer, String name, String value) {
    Matcher found = Pattern.compile("\"" + name + "\"\\s*:\\s*" + value).matcher(answer);
    return found.find() ? found.group(1) : null;
  }

  /** Logged here too: when the SDK logs in again on its own, it tells nobody. */
  private static SignatureException failure(int code, String message) {
    LOG.warning(message);
    return new SignatureException(code, message);
  }
}
