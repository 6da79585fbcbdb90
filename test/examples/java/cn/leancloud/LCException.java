package cn.leancloud;

/** A stub: what the example uses of leancloud/java-unified-sdk 8.2.28, core/src/main/java/cn/leancloud/LCException.java. */
public class LCException extends Exception {
  private static final long serialVersionUID = 1L;

  public static final int OTHER_CAUSE = -1;

  private final int code;

  public LCException(int code, String message) {
    super(message);
    this.code = code;
  }

  public int getCode() {
    return code;
  }
}
